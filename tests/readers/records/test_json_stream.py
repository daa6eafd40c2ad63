"""JSON as streams: the same objects as `json.load`, in ranges, and damage that costs little."""

from __future__ import annotations

import json
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.errors import DataError
from medfm_cli.readers.records import Broken, Record, json_stream, open_records
from medfm_cli.readers.records.delimited import MARK


def write(path: Path, data: Any, **how: Any) -> Path:
    path.write_text(data if isinstance(data, str) else json.dumps(data, **how), "utf-8")
    return path


def rows(path: Path) -> tuple[list[dict[str, Any]], list[Broken]]:
    found = list(open_records(path).rows())
    assert [row.number for row in found] == list(range(1, len(found) + 1))
    assert open_records(path).count() == len(found)
    good = [row.cells for row in found if isinstance(row, Record)]
    return good, [row for row in found if isinstance(row, Broken)]


ROWS = [{"id": i, "text": f'the "{i}"th\n[note] {{ü}}', "list": [i, {"a": None}]} for i in range(9)]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("ascii_", [True, False])
def test_lists_objects_and_lines(tmp_path: Path, indent: int | None, ascii_: bool) -> None:
    how = {"indent": indent, "ensure_ascii": ascii_}
    assert rows(write(tmp_path / "list", ROWS, **how)) == (ROWS, [])
    outer = {"info": {"data": [1], "x": "]"}, "licences": [{"a": 1}], "data": ROWS, "end": 1.5}
    assert rows(write(tmp_path / "object", outer, **how)) == (ROWS, [])
    lines = "\n\n".join(json.dumps(row, ensure_ascii=ascii_) for row in ROWS)
    assert rows(write(tmp_path / "lines", "\ufeff" + lines)) == (ROWS, [])


def test_a_line_that_is_no_object_costs_one_row(tmp_path: Path) -> None:
    data = [json.dumps(row).encode() for row in ROWS]
    data[1:1] = [b'{"a": 1', b"7", b'{"a": "\xff"}', b"[" * 100_000, b'{"a": 1}\0']
    (tmp_path / "t").write_bytes(b"\n".join(data))
    good, broken = rows(tmp_path / "t")
    assert good == ROWS
    assert [(row.number, row.line) for row in broken] == [(i, i) for i in range(2, 7)]


def test_a_list_that_breaks_off_ends_with_one_broken_row(tmp_path: Path) -> None:
    text = json.dumps(ROWS)
    for end in (1, 40):
        good, broken = rows(write(tmp_path / f"{end}", text[:-end]))
        assert good == ROWS[: 9 if end == 1 else 8]
        assert len(broken) == 1


def test_an_element_that_is_no_utf8_costs_one_row(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b'[{"a": "x"}, {"a": "\xff"}, {"a": "\xc3\xbc"}, 3]')
    good, broken = rows(tmp_path / "t")
    assert good == [{"a": "x"}, {"a": "ü"}]
    assert [row.number for row in broken] == [2, 4]


@pytest.mark.parametrize("lines", [True, False])
def test_ranges_are_the_same_rows_as_one_reading(tmp_path: Path, lines: bool) -> None:
    many: Any = [{"id": i, "text": "ü" * (i % 50)} for i in range(2 * MARK + 10)]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in many) if lines else many
    records = open_records(write(tmp_path / "t", text, ensure_ascii=False))
    step = MARK - 7
    again = [row for low in range(0, len(many), step) for row in records.rows(low, low + step)]
    assert [row.cells for row in again if isinstance(row, Record)] == many


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(max_size=5), JSON, min_size=1, max_size=3), min_size=1))
def test_any_list_is_read_as_json_reads_it(
    tmp_path_factory: pytest.TempPathFactory, table: list[dict[str, Any]]
) -> None:
    path = write(tmp_path_factory.mktemp("j") / "t", table)
    assert [found for _, found in json_stream.elements(path)] == table


@given(st.binary(max_size=200), st.sampled_from([b'[{"', b'{"a": [{"', b'{"a": 1}\n']))
def test_anything_is_read_without_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, start: bytes
) -> None:
    path = tmp_path_factory.mktemp("j") / "t"
    path.write_bytes(start + data)
    try:
        records = open_records(path)
    except DataError:
        return
    assert records.count() == len(list(records.rows()))


def test_memory_is_that_of_one_element(tmp_path: Path) -> None:
    path = tmp_path / "t"
    with path.open("w") as file:
        file.write('{"info": "x", "annotations": [')
        file.write(",".join(json.dumps({"id": i, "box": [1, 2, 3, 4]}) for i in range(60_000)))
        file.write("]}")
    tracemalloc.start()
    total = sum(1 for _ in json_stream.elements(path, "annotations"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 60_000
    assert peak < path.stat().st_size < sys.maxsize
    assert peak < 2_000_000
