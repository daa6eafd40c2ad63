"""Plain tables: one row one sample, its cells numbers, words, or nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from medfm_cli.data.content import Row
from medfm_cli.data.readers.item import Item, ReadOptions, Unreadable
from medfm_cli.data.readers.rows import count_rows, items, opened
from medfm_cli.data.records import Record, is_records
from medfm_cli.data.records.meaning import Meaning, plain
from medfm_cli.data.records.person import person

PROBE = 1000
"""Rows that tell whether a column of text holds numbers."""
LARGEST = 1e300
"""Larger numbers are none."""
Cell = float | str | None
KEPT_ELSEWHERE = ("subject", "study", "site", "time", "label", "split")
_NUMBER = re.compile(r"[-+]?(\d{1,15}(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?")
_CODE = re.compile(r"[-+]?0\d")
_NOTHING = frozenset({"", "na", "n/a", "nan", "null", "none", "nil", "-", "?", "<na>", "#n/a"})


def sniff(head: bytes) -> bool:
    """Whether the file begins like a table or a list of objects."""
    return is_records(head)


def count(path: Path) -> int:
    """How many rows the file has.

    Raises:
        Unreadable: it is no table and no list of objects.
    """
    return count_rows(path)


def read(path: Path, options: ReadOptions) -> Iterator[Item | Unreadable]:
    """Each row with its cells; a column is of numbers when its first rows hold nothing else.

    Numbers with a leading zero or of more than 15 digits are codes, and stay text. Columns that say
    whose the row is, where and when, and its label, are fields of the sample and no cells.
    """
    numbers = _number_columns(path)

    def make(record: Record, meaning: Meaning, facts: dict[str, Any]) -> Item:
        private = {name for word in KEPT_ELSEWHERE for name in meaning.columns.get(word, ())}
        cells = {
            name: cell(value, number=name in numbers)
            for name, value in record.cells.items()
            if name not in private
        }
        return Item(
            Row(cells),
            facts,
            frame=record.number - 1,
            part=str(record.number),
            **person(record, meaning),
        )

    return items(path, options, make)


def cell(value: Any, *, number: bool) -> Cell:
    """A cell as it is stored: a finite number, text, or None where it says nothing."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) <= LARGEST else None
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    text = plain(value)
    if text.lower() in _NOTHING:
        return None
    return float(text) if number and _NUMBER.fullmatch(text) else text


def _number_columns(path: Path) -> frozenset[str]:
    records = opened(path)
    head = [row for row in islice(records.rows(), PROBE) if isinstance(row, Record)]
    return frozenset(
        name for name in records.columns() if _numeric(row.cells.get(name) for row in head)
    )


def _numeric(cells: Iterable[Any]) -> bool:
    full = [text for text in map(plain, cells) if text.lower() not in _NOTHING]
    return bool(full) and all(_NUMBER.fullmatch(t) and not _CODE.match(t) for t in full)
