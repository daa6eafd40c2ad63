"""One stay being read: measurements come one by one, and become a series."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medfm_cli.errors import Unreadable
from medfm_cli.readers.demographics import age_of, sex_of
from medfm_cli.readers.item import Item
from medfm_cli.readers.series.format import SeriesFormat
from medfm_cli.readers.signals.channels import MAX_SAMPLES
from medfm_cli.samples.content import Series

_CLOCK = re.compile(r"(\d{1,5}):(\d{2})(?::(\d{2}(?:\.\d+)?))?")


@dataclass(slots=True)
class Stay:
    """The measurements of one stay.

    Attributes:
        format: what the recipe says.
        sums: sum and number of the values by time (hours) and channel.
        static: what is known once.
        others: how often what the recipe does not name was left out, by variable; their names go
            nowhere, for they are data of the file.
        broken: rows that could not be read.
    """

    format: SeriesFormat
    sums: dict[tuple[float, str], list[float]] = field(default_factory=dict)
    static: dict[str, float | str] = field(default_factory=dict)
    person: dict[str, str] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    broken: int = 0

    def put(self, hours: float, name: str, text: str) -> bool:
        """Take one measurement as written; says whether it could be.

        Empty cells and numbers that mean missing are no measurements.
        """
        if not text.strip():
            return True
        roles = [role for role, column in self.format.columns.items() if column == name]
        for role in roles:
            self.person.setdefault(role, text.strip())
        channel, static = name in self.format.channels, name in self.format.static
        value = _number(text)
        if not channel and not static:
            if not roles:
                self.others[name] = self.others.get(name, 0) + 1
        elif value is None:
            if channel:
                return False
            self.static.setdefault(name, text.strip())
        elif value in self.format.missing:
            pass
        elif static and (hours == 0 or not channel):
            self.static.setdefault(name, value)
        else:
            pair = self.sums.setdefault((hours, name), [0.0, 0])
            pair[0] += value
            pair[1] += 1
        return True

    def item(self, facts: dict[str, Any], *, part: str = "", frame: int = 0) -> Item:
        """The series and who it is of. Several values of one variable at one time are their mean.

        Raises:
            Unreadable: nothing was measured.
        """
        if not self.sums:
            raise Unreadable("an ICU stay without measurements", step="quality")
        repeated = sum(count > 1 for _, count in self.sums.values())
        facts = facts | {"measurements": len(self.sums)}
        facts |= {"repeated": repeated} if repeated else {}
        facts |= {"left_out": sum(self.others.values())} if self.others else {}
        notes = [f"{len(self.others)} variables are in no group"] if self.others else []
        notes += [f"{self.broken} rows cannot be read"] if self.broken else []
        missing = {f"{number:g}" for number in self.format.missing}
        known = {role: text for role, text in self.person.items() if text not in missing}
        sex = known.get("sex", "")
        return Item(
            self._series(),
            facts,
            subject=known.get("id"),
            study=known.get("id"),
            site=known.get("site"),
            age=age_of(known.get("age", "")),
            sex=self.format.sexes.get(sex.lower(), sex_of(sex)),
            part=part,
            frame=frame,
            notes=tuple(notes),
        )

    def _series(self) -> Series:
        channels = tuple(self.format.channels)
        row = {name: place for place, name in enumerate(channels)}
        times = sorted({hours for hours, _ in self.sums})
        if len(times) * len(channels) > MAX_SAMPLES:
            raise Unreadable(f"an ICU stay of more than {MAX_SAMPLES / 1e6:.0f} million values")
        column = {hours: place for place, hours in enumerate(times)}
        values = np.full((len(channels), len(times)), np.nan, np.float32)
        for (hours, name), (total, count) in self.sums.items():
            values[row[name], column[hours]] = total / count
        return Series(
            values,
            np.array(times, np.float64),
            channels,
            tuple(self.format.units.get(name, "") for name in channels),
            tuple(self.format.channels.values()),
            dict(sorted(self.static.items())),
        )


def clock(text: str) -> float | None:
    """Hours, from `07:30`, `107:30` or `07:30:15`; None for anything else."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None or int(match[2]) > 59:
        return None
    return round(int(match[1]) + int(match[2]) / 60 + float(match[3] or 0) / 3600, 6)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 1e30 else None
