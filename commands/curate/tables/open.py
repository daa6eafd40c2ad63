"""Tables with a header, row by row: CSV, TSV and their relatives. Needs no numpy."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from medfm_cli.errors import DataError
from medfm_cli.readers.records.delimited import (
    EMPTY_CELLS,
    NO_LABEL,
    Broken,
    Cells,
    delimiter,
    layout,
)
from medfm_cli.readers.records.delimited import rows as _rows

__all__ = [
    "Broken",
    "Cells",
    "Rows",
    "delimiter",
    "header",
    "label_meaning",
    "meaning",
    "read_rows",
    "rows",
]


@dataclass(frozen=True)
class Rows:
    """A table in memory: column names and, for each whole row, as many cells as text."""

    path: Path
    header: list[str]
    values: list[list[str]]
    broken: list[Broken] = field(default_factory=list)

    def column(self, name: str) -> list[str]:
        """The cells of a column, without space around them; those that say nothing are empty."""
        index = self.header.index(name)
        return [meaning(row[index]) for row in self.values]

    def labels(self, name: str, missing: Collection[str] | None = None) -> list[str]:
        """The cells of a label column (see `label_meaning`)."""
        index = self.header.index(name)
        return [label_meaning(row[index], missing) for row in self.values]


def meaning(cell: str) -> str:
    """A cell without space around it; the many ways to write "no value" become empty."""
    text = cell.strip()
    return "" if text.lower() in EMPTY_CELLS else text


def label_meaning(cell: str, missing: Collection[str] | None = None) -> str:
    """A cell of a label column: `none` and `-` are classes there.

    Args:
        cell: as the table has it.
        missing: what the recipe lists as no label, in small letters; None: the usual ways.
    """
    text = cell.strip()
    none = NO_LABEL if missing is None else {"", *missing}
    return "" if text.lower() in none else text


def header(path: Path) -> list[str]:
    """The names of a table's columns.

    Raises:
        DataError: it is missing, no table, or has two columns of one name.
    """
    return list(layout(path).header)


def rows(path: Path) -> Iterator[Cells | Broken]:
    """The rows of a table as a stream, each whole or broken, in the memory of one row.

    A row that ends early is filled with empty cells, as spreadsheets write them.

    Raises:
        DataError: it is missing, no table, or has two columns of one name.
    """
    return _rows(layout(path), fill=True)


def read_rows(path: Path, most: int | None = None) -> Rows:
    """Read a table, or its first `most` whole rows, into memory.

    Raises:
        DataError: it is missing, no table, has no whole row or two columns of one name.
    """
    table = Rows(path, header(path), [])
    for row in rows(path):
        if isinstance(row, Broken):
            table.broken.append(row)
        else:
            table.values.append(row.cells)
        if most is not None and len(table.values) >= most:
            break
    if not table.values:
        raise DataError(f"the table '{path}' has no rows")
    return table
