"""How values are shown to people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.runs.blocks import Cell, Table
from medfm_cli.runs.cells import (
    clean,
    duration,
    safe_markdown,
    show,
    show_columns,
    show_value,
    split_caption,
    split_interval,
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        ("as it is", "as it is"),
        (2024, "2024"),
        (312_400, "312,400"),
        (-3, "−3"),
        (0.0, "0"),
        (3.0, "3"),
        (0.91234, "0.912"),
        (12.3456, "12.35"),
        (1342.42, "1342.4"),
        (98765.43, "98,765.4"),
        (0.00015, "1.5e−4"),
        (2.5e9, "2.5e9"),
        (-1e-12, "−1e−12"),
    ],
)
def test_a_value_alone(value: Cell, shown: str) -> None:
    assert show_value(value) == shown


def test_floats_of_a_column_share_their_decimals() -> None:
    assert show([0.5, 0.9123, None, 1.0]) == ["0.500", "0.912", "–", "1.000"]
    assert show([120.25, 3.5]) == ["120.2", "3.5"]
    assert show([4.0, 12.0]) == ["4", "12"]


def test_no_value_of_a_column_is_rounded_away() -> None:
    assert show([2.3, 0.0001]) == ["2.300", "1e−4"]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6))
def test_what_is_not_zero_is_never_shown_as_zero(values: list[float]) -> None:
    for value, text in zip(values, show(list(values)), strict=True):
        assert (float(text.replace("−", "-").replace(",", "")) == 0) == (value == 0)


@pytest.mark.parametrize(
    ("cells", "right"),
    [
        ([1, 2.5, None], True),
        (["0.91 (0.87–0.94)", "0.50"], True),
        (["−0.02 [−0.05, 0.01]", "+0.10"], True),
        (["3.2 ms", "12 %", "41 / 172"], True),
        (["CT", 3], False),
        (["0.1.0", "12.0.3"], False),
        (["3 of 4 patients had"], False),
        ([None, None], False),
        ([], False),
    ],
)
def test_numbers_are_aligned_right(cells: list[Cell], right: bool) -> None:
    (column,) = show_columns(Table(["c"], [[cell] for cell in cells]))
    assert column.right is right


def test_hyphens_of_numbers_are_minus_signs() -> None:
    rows = [["a-1", "-0.02 [-0.1, +0.1]"], ["b-2", "0.5 (0.4-0.6)"]]
    first, second = show_columns(Table(["name", "value"], rows))
    assert first.texts == ["a-1", "b-2"]
    assert second.texts == ["−0.02 [−0.1, +0.1]", "0.5 (0.4-0.6)"]


def test_bars_are_shares_of_the_largest_so_that_columns_compare() -> None:
    rows: list[list[Cell]] = [[10, 1, 2.5], [5, 1, "x"], [None, 1, None], [0, 1, 0.0]]
    first, second, third = show_columns(Table(["n", "m", "k"], rows, bars=["n", "k"]))
    assert first.bars == [1.0, 0.5, None, 0.0]
    assert second.bars is None
    assert third.bars == [0.25, None, None, 0.0]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("0.91 [0.87, 0.94]", ("0.91", "[0.87, 0.94]")),
        ("−0.1 (−0.2 to 0.0)", ("−0.1", "(−0.2 to 0.0)")),
        ("0.91", ("0.91", "")),
        ("3 ms", ("3 ms", "")),
        ("[0.1, 0.2]", ("[0.1, 0.2]", "")),
    ],
)
def test_a_value_is_parted_from_its_interval(text: str, parts: tuple[str, str]) -> None:
    assert split_interval(text) == parts


def test_a_caption_is_a_title_and_a_note() -> None:
    assert split_caption("By split. Bootstrap of 1.5 k draws. More.") == (
        "By split.",
        "Bootstrap of 1.5 k draws. More.",
    )
    assert split_caption("One sentence") == ("One sentence", "")
    assert split_caption("long " * 30) == ("", "long " * 30)
    assert split_caption("") == ("", "")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (187, "3 min 07 s"),
        (3599.7, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_escape_sequences_and_half_letters_never_pass() -> None:
    assert clean("a\x1b[31mb\x00\ud800\u009b") == "a\ufffd[31mb\ufffd\ufffd\ufffd"
    assert clean("line\nend\t🫁") == "line\nend\t🫁"


def test_texts_of_others_stay_text_in_markdown() -> None:
    page = safe_markdown("- class: <img src=x onerror=alert(1)> [a](javascript:b)\x1b[31m\n- next")
    assert "<img" not in page and "](" not in page and "\x1b" not in page
    assert page.count("\n") == 1
