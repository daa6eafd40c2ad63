"""Report blocks: frozen JSON values that survive the way to disk and back."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.runs.blocks import (
    Block,
    Callout,
    Document,
    Facts,
    Figure,
    Section,
    Table,
    Text,
    section_from_json,
    section_to_json,
)

ANY_TEXT = st.text(st.characters())  # lone surrogates included: undecodable file names hold them
CELLS = st.one_of(st.none(), ANY_TEXT, st.integers(), st.floats())


@st.composite
def tables(draw: st.DrawFn) -> Table:
    columns = draw(st.lists(ANY_TEXT, min_size=1, max_size=4))
    row = st.lists(CELLS, min_size=len(columns), max_size=len(columns))
    return Table(columns, draw(st.lists(row, max_size=4)), draw(ANY_TEXT), strong=[0])


BLOCKS: st.SearchStrategy[Block] = st.one_of(
    st.builds(Text, ANY_TEXT),
    tables(),
    st.builds(Figure, st.just("figures/a.png"), ANY_TEXT, ANY_TEXT, wide=st.booleans()),
    st.builds(Facts, st.dictionaries(ANY_TEXT, CELLS, max_size=4)),
    st.builds(Callout, st.sampled_from(["note", "warn", "good"]), ANY_TEXT),
    st.builds(Document, ANY_TEXT),
)


@given(ANY_TEXT, st.lists(BLOCKS, max_size=5))
def test_any_section_survives_the_way_to_disk(title: str, blocks: list[Block]) -> None:
    section = Section(title, blocks)
    written = json.dumps(section_to_json(section), allow_nan=False, ensure_ascii=False).encode()
    assert section_from_json(json.loads(written)) == section


def test_cells_become_json_values() -> None:
    row = [np.float32(0.5), np.int64(3), float("nan"), float("inf"), True, object]
    table = Table([*"abcdef"], [row])
    assert table.rows[0][:5] == (0.5, 3, None, "∞", "yes")
    assert [type(cell) for cell in table.rows[0]] == [float, int, type(None), str, str, str]


def test_a_row_must_fit_its_columns() -> None:
    with pytest.raises(ValueError, match="row 1 has 1 cells for 2 columns"):
        Table(["a", "b"], [[1, 2], [1]])


def test_bars_must_name_columns() -> None:
    with pytest.raises(ValueError, match="bars names no column: c"):
        Table(["a"], [[1]], bars=["c"])


@pytest.mark.parametrize("path", ["/etc/passwd", "../other/x.png", "a/../../x.png"])
def test_a_figure_stays_in_its_run(path: str) -> None:
    with pytest.raises(ValueError, match="inside the run directory"):
        Figure(path)


def test_blocks_are_frozen_all_the_way_down() -> None:
    rows = [[1]]
    table = Table(["a"], rows)
    rows[0][0] = 2
    assert table.rows == ((1,),)
    with pytest.raises(FrozenInstanceError):
        table.caption = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    "data",
    [
        {"type": "video"},
        {"type": "text", "words": "x"},
        {"type": "callout", "kind": "x", "text": ""},
    ],
)
def test_unknown_blocks_are_refused(data: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"video|words|callout"):
        section_from_json({"title": "t", "blocks": [data]})


def test_importing_blocks_and_pages_is_cheap() -> None:
    code = (
        "import sys, medfm_cli.runs.blocks, medfm_cli.runs.page, medfm_cli.runs.tables\n"
        "import medfm_cli.runs.figures\n"
        "print([m for m in ('numpy', 'matplotlib', 'PIL', 'torch', 'jinja2', 'rich') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
