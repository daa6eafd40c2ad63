"""Age and sex as headers and tables write them."""

from __future__ import annotations

import re
from datetime import date

_SEX = {
    **dict.fromkeys(("f", "female", "woman", "w", "weiblich"), "F"),
    **dict.fromkeys(("m", "male", "man", "männlich"), "M"),
    **dict.fromkeys(("o", "other", "d", "divers"), "O"),
}
_AGE = re.compile(
    r"(?:>|>=|≥)?\s*(\d{1,3}(?:[.,]\d+)?)\s*(?:\+|or (?:older|over|above))?"
    r"\s*(y(?:ears?|rs?)?\.?|m(?:onths?|o)?\.?|w(?:eeks?|ks?)?\.?|d(?:ays?)?\.?)?(?: old)?",
    re.I,
)
_YEAR = {"y": 1.0, "m": 12.0, "w": 365.25 / 7, "d": 365.25}
"""How many of each unit make a year."""
_OLDEST = 130.0


def sex_of(text: str) -> str:
    """`F`, `M`, `O`, or empty: numbers mean different things in each table."""
    return _SEX.get(text.strip().lower(), "")


def age_of(text: str) -> float | None:
    """Years, from `63`, `063Y`, `45,5`, `90+`, `6 months`, `014W`; None where it is no age."""
    match = _AGE.fullmatch(text.strip())
    if match is None:
        return None
    unit = (match[2] or "y")[0].lower()
    years = float(match[1].replace(",", ".")) / _YEAR[unit]
    return round(years, 2) if years <= _OLDEST else None


def age_between(birth: date, day: date) -> float | None:
    """Whole years from birth to a day; None where they make no sense."""
    years = day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
    return float(years) if 0 <= years <= _OLDEST else None
