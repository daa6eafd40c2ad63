"""Which measurements a living patient can have: wide ranges, so that only errors fall outside.

The ranges are those of instruments and of survival, not of health: a temperature of 41 °C is
kept, one of −17.8 °C (0 °F, an empty field that was converted) is not. Pressures of 0 are lines
that were disconnected or being flushed. The table is `plausible.csv`; names are compared without
case, spaces and punctuation. A recipe may add rows or replace them.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import Self

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


@cache
def plausible_ranges() -> dict[str, Range]:
    """Variable → range, of `plausible.csv`."""
    return {
        row["variable"]: Range(low=float(row["low"]), high=float(row["high"]), unit=row["unit"])
        for row in _rows("plausible.csv")
    }


def range_of(name: str, unit: str, own: dict[str, Range | None]) -> Range | None:
    """The range of a measurement, None where nothing can be said of it.

    Args:
        name: as the source calls it.
        unit: as the source gives it, empty where it does not.
        own: the ranges of the recipe, which come before the table.
    """
    key = _key(name)
    in_recipe = [range_ for variable, range_ in own.items() if _key(variable) == key]
    range_ = in_recipe[0] if in_recipe else _by_key().get(key)
    return range_ if range_ is not None and _same_unit(unit, range_.unit) else None


def _same_unit(one: str, other: str) -> bool:
    return not one or not other or _unit(one) == _unit(other)


def _unit(unit: str) -> str:
    small = unit.strip().lower().replace("μ", "µ").replace(" ", "")
    return _spellings().get(small, small)


@cache
def _spellings() -> dict[str, str]:
    """Spelling of a unit, in small letters → the spelling that stands for all."""
    return {s: row["unit"] for row in _rows("units.csv") for s in row["spellings"].split()}


@cache
def _by_key() -> dict[str, Range]:
    """Every name of a variable, as `_key` gives it → its range."""
    return {
        _key(name): plausible_ranges()[row["variable"]]
        for row in _rows("plausible.csv")
        for name in (row["variable"], *row["synonyms"].split())
    }


def _key(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _rows(name: str) -> csv.DictReader[str]:
    return csv.DictReader((files(__package__) / name).read_text("utf-8").splitlines())
