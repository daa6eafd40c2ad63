"""Plain tables: one row one sample, its cells numbers, words, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.records import Record, is_records
from medfm_cli.readers.records.column_roles import Meaning
from medfm_cli.readers.records.person import person
from medfm_cli.readers.tables import parquet
from medfm_cli.readers.tables.cells import cell, numeric, private
from medfm_cli.readers.tables.rows import count_rows, items, opened
from medfm_cli.samples.content import Row

PROBE = 1000
"""Rows that tell whether a column of text holds numbers."""


def sniff(head: bytes) -> bool:
    """Whether the file begins like a table or a list of objects."""
    return is_records(head) or parquet.sniff(head)


def count(path: Path) -> int:
    """How many rows the file has.

    Raises:
        Unreadable: it is no table and no list of objects.
    """
    return parquet.count(path) if _is_parquet(path) else count_rows(path)


def read(path: Path, options: ReadOptions) -> Iterator[Item | Unreadable]:
    """Each row with its cells; a column is of numbers when its first rows hold nothing else.

    Numbers with a leading zero or of more than 15 digits are codes, and stay text. Columns that say
    whose the row is, where and when, and its label, are fields of the sample and no cells.
    """
    if _is_parquet(path):
        yield from parquet.read(path, options, cells_only=True)
        return
    numbers = _number_columns(path)

    def make(record: Record, meaning: Meaning, facts: dict[str, Any]) -> Item:
        hidden = private(meaning)
        cells = {
            name: cell(value, number=name in numbers)
            for name, value in record.cells.items()
            if name not in hidden
        }
        return Item(
            Row(cells),
            facts,
            frame=record.number - 1,
            part=str(record.number),
            **person(record, meaning),
        )

    yield from items(path, options, make)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return parquet.sniff(file.read(4))


def _number_columns(path: Path) -> frozenset[str]:
    records = opened(path)
    head = [row for row in islice(records.rows(), PROBE) if isinstance(row, Record)]
    return frozenset(
        name for name in records.columns() if numeric(row.cells.get(name) for row in head)
    )
