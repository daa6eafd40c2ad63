"""Rows of text files as dicts, however they are written: CSV, TSV, JSON, JSON lines. No numpy.

Streams with ranges: a file of millions of rows is read in the memory of a few, and one broken row
costs one row.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from medfm_cli.errors import DataError
from medfm_cli.readers.records import delimited, json_stream
from medfm_cli.readers.records.delimited import MARK, Broken
from medfm_cli.readers.records.json_stream import Damaged

__all__ = ["HEAD_ROWS", "Broken", "Record", "Records", "is_records", "keys", "open_records"]

HEAD_ROWS = 200
"""Rows that are looked at to tell what the columns mean."""
Found = Iterator[tuple[int, int, Any]]
"""Byte and line where an element begins, and the element."""


class Record(NamedTuple):
    """A row: its number, from 1, and its cells by column; text, or what JSON holds."""

    number: int
    cells: dict[str, Any]


class Records(Protocol):
    """The rows of one file."""

    @property
    def form(self) -> str:
        """How the file is written: `CSV`, `JSON` or `JSON lines`."""

    def columns(self) -> tuple[str, ...]:
        """The names of the columns; of JSON those that its first rows have."""

    def rows(self, first: int = 0, last: int | None = None) -> Iterator[Record | Broken]:
        """The rows from number `first + 1` to `last`, whole or broken."""

    def count(self) -> int:
        """How many rows there are, the broken ones too."""


def is_records(head: bytes) -> bool:
    """Whether a file begins like a table or like JSON objects."""
    return bool(delimited.delimiter(head)) or json_stream.is_json(head)


def keys(head: bytes) -> set[str]:
    """The names of the columns, in small letters, as far as the first bytes of a file tell."""
    if json_stream.is_json(head):
        return json_stream.keys(head)
    mark = delimited.delimiter(head)
    if not mark:
        return set()
    first = head.lstrip(b"\xef\xbb\xbf \t\r\n").splitlines()[0]
    return {name.strip(' "').lower() for name in first.decode("utf-8", "replace").split(mark)}


def open_records(path: Path) -> Records:
    """The rows of a file.

    Raises:
        DataError: it is neither a table nor JSON with a list of objects.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    if not json_stream.is_json(head):
        return _Delimited(delimited.layout(path))
    if json_stream.is_lines(path):
        return _Json(path, "JSON lines", None)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return _Json(path, "JSON", None if start == b"[" else _wrapping(path))


def _wrapping(path: Path) -> str:
    """The key of the object that holds the list."""
    try:
        found = json_stream.list_keys(path)
    except Damaged as error:
        raise DataError(f"'{path}' cannot be read: {error}") from None
    lists = [key for key, kind in found.items() if kind == "list"]
    known = [key for key in json_stream.WRAPPINGS if key in lists]
    if not lists:
        raise DataError(f"'{path}' holds no list of objects")
    return (known or lists)[0]


class _Delimited:
    """CSV and its relatives."""

    form = "CSV"

    def __init__(self, table: delimited.Layout) -> None:
        self._table = table
        names = enumerate(table.header, 1)
        self._names = tuple(name or f"column_{place}" for place, name in names)

    def columns(self) -> tuple[str, ...]:
        """The header; a column without a name is called by its place."""
        return self._names

    def rows(self, first: int = 0, last: int | None = None) -> Iterator[Record | Broken]:
        """Rows with text in every cell."""
        for row in delimited.rows(self._table, first, last):
            if isinstance(row, Broken):
                yield row
            else:
                yield Record(row.number, dict(zip(self._names, row.cells, strict=True)))

    def count(self) -> int:
        """How many rows there are."""
        return delimited.count(self._table)


class _Json:
    """A list of objects, or an object a line."""

    def __init__(self, path: Path, form: str, key: str | None) -> None:
        self.form = form
        self._path, self._key = path, key

    def columns(self) -> tuple[str, ...]:
        """The keys of the first rows, in the order in which they come."""
        found: dict[str, None] = {}
        for row in islice(self.rows(), HEAD_ROWS):
            if isinstance(row, Record):
                found |= dict.fromkeys(row.cells)
        return tuple(found)

    def rows(self, first: int = 0, last: int | None = None) -> Iterator[Record | Broken]:
        """Rows with what JSON holds; what breaks off ends with a broken row."""
        before, line, offset = self._nearest(first)
        number = before
        try:
            for number, (_, at, found) in enumerate(self._elements(offset, line), before + 1):
                if last is not None and number > last:
                    return
                if number > first:
                    yield _record(number, at, found)
        except Damaged as error:
            if number + 1 > first and (last is None or number < last):
                yield Broken(number + 1, 0, str(error))

    def count(self) -> int:
        """How many rows there are, and one more where the file breaks off."""
        return self._marks()[0]

    def _elements(self, offset: int, line: int) -> Found:
        if self.form == "JSON lines":
            return json_stream.lines(self._path, offset, line)
        found = json_stream.elements(self._path, self._key, offset)
        return ((start, 0, element) for start, element in found)

    def _marks(self) -> tuple[int, list[tuple[int, int, int]]]:
        status = self._path.stat()
        return _marks(self._path, self._key, self.form, status.st_size, status.st_mtime_ns)

    def _nearest(self, first: int) -> tuple[int, int, int]:
        if first < MARK:
            return 0, 1, 0
        marks = self._marks()[1]
        return marks[min(first // MARK, len(marks) - 1)]


def _record(number: int, line: int, found: Any) -> Record | Broken:
    if isinstance(found, Broken):
        return Broken(number, line, found.reason)
    if not isinstance(found, dict):
        return Broken(number, line, "not a JSON object")
    return Record(number, found)


@lru_cache(maxsize=16)
def _marks(
    path: Path, key: str | None, form: str, _size: int, _time: int
) -> tuple[int, list[tuple[int, int, int]]]:
    """How many rows there are; of every `MARK`th its number before, line and byte."""
    marks = [(0, 1, 0)]
    total = 0
    try:
        for start, line, _ in _Json(path, form, key)._elements(0, 1):
            if total and total % MARK == 0:
                marks.append((total, line, start))
            total += 1
    except Damaged:
        total += 1
    return total, marks
