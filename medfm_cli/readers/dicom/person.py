"""When a DICOM object was acquired, how old the patient was then, and of which sex."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

from medfm_cli.readers.dicom.header import text

if TYPE_CHECKING:
    from pydicom import Dataset

OLDEST = 130
"""An age above this is a mistake, in years."""
_YEAR = {"Y": 1.0, "M": 12.0, "W": 365.25 / 7, "D": 365.25}
"""How many of each unit of an age string (PS3.5, AS) make a year."""
_STEPS = ("Acquisition", "Content", "Series", "Study")


def about(dataset: Dataset) -> dict[str, Any]:
    """What an `Item` says of them."""
    return {"time": time(dataset), "age": age(dataset), "sex": sex(dataset)}


def time(dataset: Dataset) -> str | None:
    """Date and time of the acquisition, else of the content, the series or the study.

    ISO 8601 without a zone: `2004-01-19`, or with the time of day where the header has it.
    """
    moment = text(dataset, "AcquisitionDateTime")
    if day := _date(moment[:8]):
        return _iso(day, moment[8:])
    for step in _STEPS:
        if day := _date(text(dataset, f"{step}Date")):
            return _iso(day, text(dataset, f"{step}Time"))
    return None


def age(dataset: Dataset) -> float | None:
    """Years at the time of the study: as written, else from the date of birth.

    Completed years; of children under two, twelfths of a year. A date of birth is not used where
    the header says that identity was removed: then dates are often dummies.
    """
    found = re.fullmatch(r"(\d{1,3})([YMWD])", text(dataset, "PatientAge").upper())
    if found:
        return _plausible(int(found[1]) / _YEAR[found[2]])
    if text(dataset, "PatientIdentityRemoved").upper() == "YES":
        return None
    born = _date(text(dataset, "PatientBirthDate"))
    seen = _date(text(dataset, "StudyDate")) or _date(text(dataset, "AcquisitionDate"))
    if not born or not seen:
        return None
    months = (seen.year - born.year) * 12 + seen.month - born.month - (seen.day < born.day)
    return _plausible(months / 12 if months < 24 else float(months // 12))


def sex(dataset: Dataset) -> str:
    """`F`, `M`, `O`, or empty."""
    value = text(dataset, "PatientSex").upper()
    return value if value in ("F", "M", "O") else ""


def _plausible(years: float) -> float | None:
    return round(years, 2) if 0 <= years <= OLDEST else None


def _date(value: str) -> date | None:
    """A date as DICOM writes it now (`20040119`) or wrote it once (`2004.01.19`)."""
    found = re.match(r"(\d{4})[.]?(\d{2})[.]?(\d{2})", value)
    try:
        return date(int(found[1]), int(found[2]), int(found[3])) if found else None
    except ValueError:
        return None


def _iso(day: date, clock: str) -> str:
    found = re.match(r"(\d{2}):?(\d{2})?:?(\d{2})?", clock)
    if not found:
        return day.isoformat()
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    if hours > 23 or minutes > 59 or seconds > 59:
        return day.isoformat()
    return f"{day.isoformat()}T{hours:02d}:{minutes:02d}:{seconds:02d}"
