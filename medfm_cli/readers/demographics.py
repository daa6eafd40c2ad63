"""Age and sex as headers write them."""

from __future__ import annotations

import re
from datetime import date

_SEX = {"m": "M", "male": "M", "f": "F", "female": "F", "o": "O", "other": "O"}
_AGE = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*(y(?:ears?|rs?)?|m(?:onths?)?|d(?:ays?)?)?\s*", re.I)
_OLDEST = 130.0


def sex_of(text: str) -> str:
    """`F`, `M`, `O`, or empty where the text says none of them."""
    return _SEX.get(text.strip().lower(), "")


def age_of(text: str) -> float | None:
    """Years, from `63`, `63 years`, `6 months`; None where the text says no age."""
    match = _AGE.fullmatch(text.strip())
    if match is None:
        return None
    unit = (match[2] or "y")[0].lower()
    years = float(match[1]) / {"y": 1.0, "m": 12.0, "d": 365.25}[unit]
    return round(years, 2) if years <= _OLDEST else None


def age_between(birth: date, day: date) -> float | None:
    """Whole years from birth to a day; None where they make no sense."""
    years = day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
    return float(years) if 0 <= years <= _OLDEST else None
