"""Rows of a table, CSV or Parquet, as text by column, in ranges and in little memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from medfm_cli.errors import Unreadable
from medfm_cli.readers.records import HEAD_ROWS, Record
from medfm_cli.readers.tables.rows import opened

BATCH = 1024


class Table(Protocol):
    """A table: its columns, and its rows with their numbers from 0."""

    def columns(self) -> tuple[str, ...]:
        """Their names."""

    def numbers(self) -> list[str]:
        """The columns that hold numbers only."""

    def count(self) -> int:
        """How many rows there are."""

    def rows(
        self, first: int = 0, *, columns: tuple[str, ...] | None = None
    ) -> Iterator[tuple[int, dict[str, str]]]:
        """Rows from number `first` on; an empty cell is empty text, a broken row has no cells."""


def open_table(path: Path) -> Table:
    """The table in a file, by its content.

    Raises:
        Unreadable: it is no table.
    """
    with path.open("rb") as file:
        parquet = file.read(4) == b"PAR1"
    return _Parquet(path) if parquet else _Text(path)


class _Text:
    """CSV and its relatives."""

    def __init__(self, path: Path) -> None:
        self._records = opened(path)

    def columns(self) -> tuple[str, ...]:
        return tuple(self._records.columns())

    def numbers(self) -> list[str]:
        found = dict.fromkeys(self.columns(), False)
        wrong: set[str] = set()
        for row in self._records.rows(0, HEAD_ROWS):
            for name, cell in row.cells.items() if isinstance(row, Record) else ():
                text = str(cell or "").strip()
                wrong |= {name} if text and not _is_number(text) else set()
                found[name] |= bool(text)
        return [name for name, any_ in found.items() if any_ and name not in wrong]

    def count(self) -> int:
        return self._records.count()

    def rows(
        self, first: int = 0, *, columns: tuple[str, ...] | None = None
    ) -> Iterator[tuple[int, dict[str, str]]]:
        del columns
        for row in self._records.rows(first):
            cells = row.cells if isinstance(row, Record) else {}
            yield row.number - 1, {name: _text(cell) for name, cell in cells.items()}


class _Parquet:
    """Parquet, batch by batch."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet

        try:
            self._file = pyarrow.parquet.ParquetFile(path)
        except Exception:  # a damaged footer fails in many ways
            raise Unreadable("a damaged Parquet file") from None

    def columns(self) -> tuple[str, ...]:
        return tuple(self._file.schema_arrow.names)

    def numbers(self) -> list[str]:
        import pyarrow.types as types

        return [
            field.name
            for field in self._file.schema_arrow
            if types.is_integer(field.type) or types.is_floating(field.type)
        ]

    def count(self) -> int:
        return int(self._file.metadata.num_rows)

    def rows(
        self, first: int = 0, *, columns: tuple[str, ...] | None = None
    ) -> Iterator[tuple[int, dict[str, str]]]:
        number = 0
        groups: list[int] = []
        for group in range(self._file.num_row_groups):
            size = self._file.metadata.row_group(group).num_rows
            if groups or number + size > first:
                groups.append(group)
            else:
                number += size
        try:
            for batch in self._file.iter_batches(
                BATCH, row_groups=groups, columns=list(columns) if columns else None
            ):
                for row in batch.to_pylist():
                    if number >= first:
                        yield number, {name: _text(value) for name, value in row.items()}
                    number += 1
        except (OSError, ValueError, RuntimeError):
            raise Unreadable("a damaged Parquet file") from None


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
