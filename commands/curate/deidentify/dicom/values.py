"""New values for elements of a DICOM file: dummies, moved dates, cleaned texts, new UIDs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from medfm_cli.commands.curate.deidentify.times import moved

if TYPE_CHECKING:
    from pydicom import DataElement

TEXTS = frozenset({"LO", "LT", "SH", "ST", "UC", "UR", "UT"})
DATES = frozenset({"DA", "DT", "TM"})
WELL_KNOWN = "1.2.840.10008."
"""Begin of the UIDs that the standard itself gives out: of kinds of things, never of one thing."""
CODING = frozenset(
    {
        *("CodingSchemeUID", "ContextUID", "MappingResourceUID", "ContextGroupExtensionCreatorUID"),
        *("CreatorVersionUID", "CodingSchemeResourceUID"),
    }
)
"""UIDs of code lists and of software versions."""
_DUMMIES: dict[str, Any] = {
    **dict.fromkeys(("LO", "LT", "SH", "ST", "UC", "UT", "PN", "AE", "CS"), "REMOVED"),
    **{"UR": "urn:removed", "AS": "000Y", "DA": "19000101", "DT": "19000101000000"},
    **{"TM": "000000", "DS": "0", "IS": "0", "FD": 0.0, "FL": 0.0, "AT": 0},
    **dict.fromkeys(("SL", "SS", "SV", "UL", "US", "UV"), 0),
    **dict.fromkeys(("OB", "OD", "OF", "OL", "OV", "OW", "UN"), bytes(8)),
}


def dummy(vr: str) -> Any:
    """A value that says nothing and that the value representation allows (not for UI and SQ)."""
    return _DUMMIES.get(vr, "")


def values(element: DataElement) -> list[str]:
    """An element's values as texts; of a number or bytes none."""
    value = element.value
    if value is None or isinstance(value, bytes | int | float):
        return []
    if isinstance(value, str) or not isinstance(value, Iterable) or element.VR == "PN":
        parts = value if isinstance(value, list | tuple) else [value]
        return [str(part) for part in parts]
    return [str(part) for part in value]


def shifted_dates(element: DataElement, days: int) -> list[str] | None:
    """Dates and times moved by whole days; the hour stays. None where a value is no date."""
    if element.VR == "TM":
        return values(element)
    new = [
        moved(value.strip(" \0"), days) if value.strip(" \0") else "" for value in values(element)
    ]
    return None if any(value is None for value in new) else [value or "" for value in new]


def capped_age(element: DataElement, oldest: int) -> str:
    """An age string (`093Y`) that is at most `oldest` years."""
    match = re.fullmatch(r"(\d{1,3})Y", str(element.value).strip(" \0"))
    return f"{oldest:03d}Y" if match and int(match[1]) > oldest else str(element.value)
