"""What the readers of records share: rows in ranges, every broken one refused by its number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from medfm_cli.errors import DataError, Unreadable
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.records import Broken, Record, Records, open_records
from medfm_cli.readers.records.column_roles import Meaning, find_meaning

Make = Callable[[Record, Meaning, dict[str, Any]], Item]
"""Makes an item of a row; raises Unreadable where the row is none."""


def opened(path: Path) -> Records:
    """The rows of a file.

    Raises:
        Unreadable: it is no file of records.
    """
    try:
        return open_records(path)
    except DataError as error:
        raise unreadable(error, path) from None


def count_rows(path: Path) -> int:
    """How many rows a file has, the broken ones too.

    Raises:
        Unreadable: it is no file of records.
    """
    return opened(path).count()


def meaning_of(records: Records, options: ReadOptions, path: Path) -> Meaning:
    """What the columns mean.

    Raises:
        Unreadable: the recipe names a column that is not there.
    """
    try:
        return find_meaning(records, options.format)
    except DataError as error:
        raise unreadable(error, path) from None


def items(path: Path, options: ReadOptions, make: Make) -> Iterator[Item | Unreadable]:
    """An item a row, in the requested range; a row that gives none is an `Unreadable`.

    Raises:
        Unreadable: no row can be read, and why.
    """
    records = opened(path)
    meaning = meaning_of(records, options, path)
    facts = {"format": records.form}
    for row in records.rows(*(options.items or (0, None))):
        if isinstance(row, Broken):
            where = f"row {row.number}" + (f" (line {row.line})" if row.line else "")
            yield Unreadable(f"{where}: {row.reason}", part=str(row.number))
            continue
        try:
            yield make(row, meaning, facts)
        except Unreadable as error:
            reason = f"row {row.number}: {error.reason}"
            yield Unreadable(reason, step=error.step, part=str(row.number))


def unreadable(error: DataError, path: Path) -> Unreadable:
    """The same problem, without the place of the file."""
    return Unreadable(error.message.replace(f"'{path}'", "the file"))
