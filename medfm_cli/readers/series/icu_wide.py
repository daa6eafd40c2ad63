"""Stays in tables of one's own, CSV or Parquet: a row a time or a measurement, one stay or many.

Read only where a recipe names the columns (`format: {id: …, time: …}`) or the reader. The rows of
one stay must follow each other, so that a table of any size is read in the memory of a stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.records import is_records
from medfm_cli.readers.series.format import SeriesFormat
from medfm_cli.readers.series.stay import Stay, clock
from medfm_cli.readers.tables.table_rows import Table, open_table

_PARQUET = b"PAR1"
MAX_ROWS = 200_000
"""Most rows of one stay: a value every ten seconds for three weeks."""
_ROLES = ("id", "time", "age", "sex", "site", "variable", "value")


def sniff(head: bytes) -> bool:
    """Whether the file is Parquet, or begins like a table."""
    return head.startswith(_PARQUET) or is_records(head)


def count(path: Path) -> int:
    """How many rows the table has: ranges are of rows, and a stay belongs to its first row's.

    Raises:
        Unreadable: it is no table.
    """
    return open_table(path).count()


def read(path: Path, options: ReadOptions) -> Iterator[Item | Unreadable]:
    """The stays that begin in the rows `options.items`, or all; `[F, T]` each.

    Without `format.groups` every other column of numbers is a channel, in the group vitals. Where
    `format.variable` and `format.value` name columns, a row is one measurement. Without
    `format.id` the file is one stay. Times are numbers (`format.time_unit`), clock times, or dates;
    of dates the first of a stay is its hour 0 and the item's time (private).

    Raises:
        Unreadable: the table lacks a column, or the rows of a stay do not follow each other.
    """
    table = open_table(path)
    spec = _format(table, options)
    first, last = options.items or (0, None)
    column = spec.columns.get("id", "")
    status = path.stat()
    if column and not _in_order(path, column, status.st_size, status.st_mtime_ns):
        raise Unreadable(
            "a table in which the rows of an ICU stay are apart: sort it by stay and time"
        )
    for number, name, rows in _stays(table, column, first):
        if last is not None and number >= last:
            return
        try:
            item = _item(rows, spec, number)
            yield replace(item, subject=name or None, study=name or None)
        except Unreadable as error:
            yield Unreadable(f"row {number + 1}: {error.reason}", step=error.step)


def _format(table: Table, options: ReadOptions) -> SeriesFormat:
    words: dict[str, Any] = {"missing": []}
    if "groups" not in options.format:
        roles = {str(options.format.get(role)) for role in _ROLES}
        words["groups"] = {"vitals": [name for name in table.numbers() if name not in roles]}
    spec = SeriesFormat.of(options, words)
    if "time" not in spec.columns:
        raise Unreadable(
            "a table of ICU stays: format.time in the recipe must name the column of times"
        )
    long = {"variable", "value"} & set(spec.columns)
    if len(long) == 1:
        raise Unreadable("a table of ICU stays: format.variable and format.value go together")
    needed = [*spec.columns.values(), *(() if long else spec.channels)]
    lacking = [column for column in needed if column not in table.columns()]
    if lacking:
        raise Unreadable(f"the table lacks {len(lacking)} of the columns that the recipe names")
    return spec


@lru_cache(maxsize=8)
def _in_order(path: Path, column: str, _size: int, _changed: int) -> bool:
    """Whether the rows of every stay follow each other."""
    seen: set[str | None] = set()
    before: str | None = None
    for _, cells in open_table(path).rows(columns=(column,)):
        name = cells.get(column, before)
        if name != before and name in seen:
            return False
        seen.add(name)
        before = name
    return True


def _stays(
    table: Table, column: str, first: int
) -> Iterator[tuple[int, str, list[dict[str, str]]]]:
    """The stays that begin at row `first` (from 0) or later: the row, the name, and the rows."""
    before: str | None = None
    start = -1
    rows: list[dict[str, str]] = []
    for number, cells in table.rows(max(0, first - 1)):
        # A broken row is of the stay around it; without a column all rows are of one stay.
        name = cells[column].strip() if cells and column else before or ""
        if name != before:
            if rows and (before or not column):
                yield start, before or "", rows
            start, rows = number, []
        before = name
        if start >= first:
            rows.append(cells)
        if len(rows) > MAX_ROWS:
            raise Unreadable(f"an ICU stay of more than {MAX_ROWS} rows")
    if rows and (before or not column):
        yield start, before or "", rows


@dataclass(slots=True)
class _Clock:
    """Times of one stay as hours."""

    hours: float
    begin: datetime | None = None

    def of(self, text: str) -> float | None:
        """Hours of a time as written; None for what is none."""
        try:
            return round(float(text) * self.hours, 6)
        except ValueError:
            pass
        if (hours := clock(text)) is not None:
            return hours
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        self.begin = self.begin or moment
        return round((moment - self.begin).total_seconds() / 3600, 6)


def _item(rows: list[dict[str, str]], spec: SeriesFormat, number: int) -> Item:
    """The item of one stay's rows."""
    stay, times = Stay(spec), _Clock(spec.hours)
    variable, value = (spec.columns.get(role, "") for role in ("variable", "value"))
    skipped = {spec.columns.get(role) for role in ("id", "time", "variable", "value")}
    for cells in rows:
        hours = times.of(cells.get(spec.columns["time"], ""))
        if hours is None:
            stay.broken += 1
            continue
        if variable:
            stay.broken += not stay.put(hours, cells[variable].strip(), cells[value])
        for name, text in cells.items():
            if name not in skipped and (not variable or name in spec.columns.values()):
                stay.broken += not stay.put(hours, name, text)
    item = stay.item(
        {"format": "table of stays", "rows": len(rows)}, part=str(number), frame=number
    )
    begin = times.begin.replace(tzinfo=None).isoformat() if times.begin else None
    return replace(item, time=begin)
