"""Delimited text with a header: CSV, TSV and their relatives. Needs no numpy."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from medfm_cli.errors import DataError

DELIMITERS = (",", "\t", ";", "|")
LONGEST = 1 << 20
"""Longest cell that is read, in characters."""


@dataclass(frozen=True)
class Rows:
    """A table: column names and, for each row, as many cells as text."""

    path: Path
    header: list[str]
    values: list[list[str]]

    def column(self, name: str) -> list[str]:
        """The cells of a column, without space around them; those that say nothing are empty."""
        index = self.header.index(name)
        return [meaning(row[index]) for row in self.values]


def meaning(cell: str) -> str:
    """A cell without space around it; the many ways to write "no value" become empty."""
    text = cell.strip()
    return "" if text.lower() in _NOTHING else text


_NOTHING = frozenset({"", "na", "n/a", "nan", "null", "none", "nil", "-", "?", "<na>", "#n/a"})


def delimiter(head: bytes) -> str:
    """The delimiter of a table that begins with `head`, empty when it is none."""
    text = _text(head, whole=False)
    if not text or text.lstrip()[:1] in ("<", "{", "["):
        return ""
    best = max(DELIMITERS, key=text.lstrip().partition("\n")[0].count)
    try:
        lines = _lines(text, best, most=2)
    except csv.Error:
        return ""
    return best if len(lines) == 2 and all(len(line) > 1 for line in lines) else ""


def read_rows(path: Path) -> Rows:
    """Read a table.

    Raises:
        DataError: it is missing, no table, has no rows or two columns of one name.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"the table '{path}' does not exist") from None
    found = delimiter(data[: 1 << 16])
    if not found:
        raise DataError(
            f"'{path}' is no table: it needs a header line, rows, and a delimiter (, ; | or tab)"
        )
    try:
        lines = _lines(_text(data, whole=True), found)
    except csv.Error as error:
        raise DataError(f"'{path}' cannot be read as a table: {error}") from None
    header = [name.strip() for name in lines[0]]
    twice = {name for name in header if name and header.count(name) > 1}
    if twice:
        raise DataError(f"'{path}' has two columns called '{min(twice)}'", hint="rename one")
    width = len(header)
    values = [(line + [""] * width)[:width] for line in lines[1:]]
    if not values:
        raise DataError(f"the table '{path}' has no rows")
    return Rows(path, header, values)


def _lines(text: str, delimiter_: str, *, most: int | None = None) -> list[list[str]]:
    """The lines that say something, as cells. Raises csv.Error."""
    csv.field_size_limit(LONGEST)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_)
    full = (line for line in reader if any(cell.strip() for cell in line))
    return list(islice(full, most))


def _text(data: bytes, *, whole: bool) -> str:
    """The bytes as text: UTF-8 with or without its mark, else Latin-1; empty for binary.

    What is not the `whole` of a file may end inside a character.
    """
    if b"\0" in data:
        return ""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not whole and error.start >= len(data) - 3:
            return data[: error.start].decode("utf-8-sig")
        return data.decode("latin-1")
