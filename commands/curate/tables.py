"""Delimited text with a header: CSV, TSV and their relatives. Needs no numpy."""

from __future__ import annotations

import csv
from dataclasses import dataclass
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
    text = _text(head)
    if not text or text.lstrip()[:1] in ("<", "{", "["):
        return ""
    lines = [line for line in text.splitlines() if line.strip()][:2]
    if len(lines) < 2:
        return ""
    best = max(DELIMITERS, key=lines[0].count)
    return best if lines[0].count(best) and lines[1].count(best) else ""


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
    csv.field_size_limit(LONGEST)
    try:
        lines = list(csv.reader(_text(data).splitlines(keepends=True), delimiter=found))
    except csv.Error as error:
        raise DataError(f"'{path}' cannot be read as a table: {error}") from None
    header = [name.strip() for name in lines[0]]
    twice = {name for name in header if name and header.count(name) > 1}
    if twice:
        raise DataError(f"'{path}' has two columns called '{min(twice)}'", hint="rename one")
    width = len(header)
    values = [(line + [""] * width)[:width] for line in lines[1:] if any(c.strip() for c in line)]
    if not values:
        raise DataError(f"the table '{path}' has no rows")
    return Rows(path, header, values)


def _text(data: bytes) -> str:
    """The bytes as text: UTF-8 with or without its mark, else Latin-1; empty for binary."""
    if b"\0" in data:
        return ""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start >= len(data) - 3 and len(data) > 3:  # cut inside a character
            return data[: error.start].decode("utf-8-sig")
        return data.decode("latin-1")
