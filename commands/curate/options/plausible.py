"""Which measurements a living patient can have: wide ranges, so that only errors fall outside.

The ranges are those of instruments and of survival, not of health: a temperature of 41 °C is
kept, one of −17.8 °C (0 °F, an empty field that was converted) is not. Pressures of 0 are lines
that were disconnected or being flushed. A recipe may add to the table or replace a line of it.
"""

from __future__ import annotations

from typing import Final, Self

from pydantic import Field, model_validator

from medfm_cli.recipe import Part


class Range(Part):
    """The values that a measurement can have, in one unit."""

    low: float = Field(description="Lowest plausible value.")
    high: float = Field(description="Highest plausible value.")
    unit: str = Field("", description="Their unit; values in another unit are not judged.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError("low is higher than high")
        return self

    def text(self) -> str:
        """The range as people write it."""
        return f"{self.low:g} to {self.high:g} {self.unit}".strip()


def _range(low: float, high: float, unit: str) -> Range:
    return Range(low=low, high=high, unit=unit)


PLAUSIBLE: Final[dict[str, Range]] = {
    "HR": _range(0, 350, "bpm"),
    "Temp": _range(15, 45, "°C"),
    "SysABP": _range(20, 320, "mmHg"),
    "DiasABP": _range(5, 250, "mmHg"),
    "MAP": _range(10, 280, "mmHg"),
    "NISysABP": _range(20, 320, "mmHg"),
    "NIDiasABP": _range(5, 250, "mmHg"),
    "NIMAP": _range(10, 280, "mmHg"),
    "RespRate": _range(0, 120, "/min"),
    "SaO2": _range(10, 100, "%"),
    "SpO2": _range(10, 100, "%"),
    "FiO2": _range(0.15, 100, ""),  # written as a fraction or in percent
    "GCS": _range(3, 15, ""),
    "PaO2": _range(10, 760, "mmHg"),
    "PaCO2": _range(5, 250, "mmHg"),
    "pH": _range(6.3, 8.0, ""),
    "HCO3": _range(1, 70, "mmol/L"),
    "Lactate": _range(0, 40, "mmol/L"),
    "Na": _range(80, 200, "mmol/L"),
    "K": _range(1, 14, "mmol/L"),
    "Mg": _range(0.1, 20, ""),
    "Glucose": _range(1, 2500, "mg/dL"),
    "Creatinine": _range(0.05, 50, "mg/dL"),
    "BUN": _range(0.5, 350, "mg/dL"),
    "Bilirubin": _range(0, 100, "mg/dL"),
    "Albumin": _range(0.3, 10, "g/dL"),
    "ALT": _range(0, 50000, "U/L"),
    "AST": _range(0, 50000, "U/L"),
    "ALP": _range(0, 10000, "U/L"),
    "Cholesterol": _range(5, 2000, "mg/dL"),
    "TroponinI": _range(0, 2000, "µg/L"),
    "TroponinT": _range(0, 200, "µg/L"),
    "HCT": _range(3, 80, "%"),
    "WBC": _range(0, 1000, "10⁹/L"),
    "Platelets": _range(0, 4000, "10⁹/L"),
    "Urine": _range(0, 10000, "mL"),
    "Weight": _range(0.3, 500, "kg"),
    "Height": _range(20, 260, "cm"),
    "Age": _range(0, 125, "years"),
}
"""Name → range. Names are compared without case, spaces and punctuation."""

_ALSO: Final[dict[str, str]] = {
    "heartrate": "HR",
    "pulse": "HR",
    "temperature": "Temp",
    "bodytemperature": "Temp",
    "sbp": "SysABP",
    "systolicbloodpressure": "SysABP",
    "dbp": "DiasABP",
    "diastolicbloodpressure": "DiasABP",
    "mbp": "MAP",
    "meanbloodpressure": "MAP",
    "resp": "RespRate",
    "respiratoryrate": "RespRate",
    "rr": "RespRate",
    "o2sat": "SaO2",
    "oxygensaturation": "SpO2",
    "glasgowcomascale": "GCS",
    "sodium": "Na",
    "potassium": "K",
    "magnesium": "Mg",
    "bicarbonate": "HCO3",
    "hematocrit": "HCT",
    "haematocrit": "HCT",
    "urineoutput": "Urine",
}

_SAME_UNIT: Final[dict[str, str]] = {
    "bpm": "/min", "1/min": "/min", "beats/min": "/min", "breaths/min": "/min",
    "insp/min": "/min", "min-1": "/min",
    "c": "°c", "degc": "°c", "celsius": "°c", "deg.c": "°c",
    "meq/l": "mmol/l", "meq/liter": "mmol/l", "iu/l": "u/l",
    "cells/nl": "10⁹/l", "k/ul": "10⁹/l", "k/µl": "10⁹/l", "10^9/l": "10⁹/l", "1000/µl": "10⁹/l",
    "ug/l": "µg/l", "ng/ml": "µg/l", "year": "years", "y": "years", "torr": "mmhg",
}  # fmt: skip
"""Spellings of one unit, in small letters."""


def range_of(name: str, unit: str, own: dict[str, Range | None]) -> Range | None:
    """The range of a measurement, None where nothing can be said of it.

    Args:
        name: as the source calls it.
        unit: as the source gives it, empty where it does not.
        own: the ranges of the recipe, which come before the table.
    """
    key = _key(name)
    for given, wanted in own.items():
        if _key(given) == key:
            return wanted if wanted is not None and _fits(unit, wanted.unit) else None
    found = PLAUSIBLE.get(_BY_KEY.get(key, ""))
    return found if found is not None and _fits(unit, found.unit) else None


def _fits(unit: str, wanted: str) -> bool:
    return not unit or not wanted or _unit(unit) == _unit(wanted)


def _unit(unit: str) -> str:
    small = unit.strip().lower().replace("μ", "µ").replace(" ", "")
    return _SAME_UNIT.get(small, small)


def _key(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


_BY_KEY: Final[dict[str, str]] = {_key(name): name for name in PLAUSIBLE} | _ALSO
