"""The times of a table's column as ISO 8601, read by one format for the whole column.

`03/04/2019` is a day in April or in March: which, the other cells show (`25/04/2019`), or the
recipe (`time_format`). Where neither does, no time is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime

ToIso = Callable[[str], str | None]
"""A cell as ISO 8601; None where it is no time of the format."""

_CLOCK = r"(?:[T ,]+(?P<clock>\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?) ?(?P<half>[ap]m)?)?"
_YEAR_FIRST = re.compile(rf"(?P<y>\d{{4}})[-/.](?P<m>\d{{1,2}})[-/.](?P<d>\d{{1,2}}){_CLOCK}", re.I)
_YEAR_LAST = re.compile(
    rf"(?P<a>\d{{1,2}})(?P<by>[-/.])(?P<b>\d{{1,2}})(?P=by)(?P<y>\d{{4}}){_CLOCK}", re.I
)
_NAMED_MONTH = re.compile(
    r"(?:(?P<d>\d{1,2})[ .-]+(?P<m>[a-z]{3})[a-z]*\.?"
    r"|(?P<m2>[a-z]{3})[a-z]*\.? (?P<d2>\d{1,2}),?)"
    rf"[ -]+(?P<y>\d{{4}}){_CLOCK}",
    re.I,
)
_SHORT_YEAR = re.compile(r"\d{1,2}[-/.]\d{1,2}[-/.]\d\d(?!\d).*")
_STAYS = re.compile(r"\d{4}-\d\d(-\d\d([T ].*)?)?|\d{4}|\d{8}.*")
"""ISO 8601 and DICOM's form are left as they are."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class UnclearDates(ValueError):
    """The cells of a column do not show whether the day or the month comes first."""


def reader(cells: Iterable[str], declared: str = "auto") -> ToIso:
    """What turns the cells of a column into ISO 8601.

    Args:
        cells: of the column, or of its first rows.
        declared: a format of `strptime`, or auto.

    Raises:
        UnclearDates: with `auto`, the order of day and month is not clear.
    """
    if declared != "auto":
        return lambda cell: _by_format(cell, declared)
    day_first = _day_first(cells)
    return lambda cell: to_iso(cell, day_first=day_first)


def to_iso(cell: str, *, day_first: bool) -> str | None:
    """A date, with the time of day where there is one, as ISO 8601; None where it is none."""
    text = cell.strip()
    if _STAYS.fullmatch(text):
        return text
    if found := _YEAR_FIRST.fullmatch(text):
        return _iso(found["y"], found["m"], found["d"], found)
    if found := _YEAR_LAST.fullmatch(text):
        first, second = found["a"], found["b"]
        day, month = (first, second) if day_first else (second, first)
        return _iso(found["y"], month, day, found)
    if found := _NAMED_MONTH.fullmatch(text):
        name = (found["m"] or found["m2"]).lower()
        month = str(_MONTHS.index(name) + 1) if name in _MONTHS else "0"
        return _iso(found["y"], month, found["d"] or found["d2"], found)
    return None


def _day_first(cells: Iterable[str]) -> bool:
    """Whether the day stands before the month, where both are numbers before the year."""
    first = second = 0
    unclear = points = False
    for cell in cells:
        text = cell.strip()
        if found := _YEAR_LAST.fullmatch(text):
            first, second = max(first, int(found["a"])), max(second, int(found["b"]))
            points, unclear = points or found["by"] == ".", True
        elif _SHORT_YEAR.fullmatch(text):
            raise UnclearDates("years have two digits")
    if first > 12 and second > 12:
        raise UnclearDates("some have the day first and some the month")
    if unclear and first <= 12 and second <= 12 and not points:
        raise UnclearDates("they could have the day or the month first")
    return second <= 12


def _iso(year: str, month: str, day: str, found: re.Match[str]) -> str | None:
    try:
        moment = datetime(int(year), int(month), int(day))
    except ValueError:
        return None
    if not found["clock"]:
        return moment.date().isoformat()
    hour, _, rest = found["clock"].partition(":")
    hours = int(hour)
    if found["half"]:
        hours = hours % 12 + (12 if found["half"].lower() == "pm" else 0)
    return f"{moment.date().isoformat()}T{hours:02d}:{rest}" if hours < 24 else None


def _by_format(cell: str, declared: str) -> str | None:
    try:
        moment = datetime.strptime(cell.strip(), declared)
    except ValueError:
        return None
    has_clock = any(f"%{letter}" in declared for letter in "HIMSfTXc")
    return moment.isoformat() if has_clock else moment.date().isoformat()
