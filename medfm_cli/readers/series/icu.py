"""ICU stays in the layout of the PhysioNet/CinC Challenge 2012: one file of Time,Parameter,Value.

Silva et al. 2012, "Predicting In-Hospital Mortality of ICU Patients".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.series.format import SeriesFormat
from medfm_cli.readers.series.stay import Stay, clock

MAX_ROWS = 10_000_000
BROKEN = 0.1
"""The share of rows that may be broken."""
_HEADER = "time,parameter,value"


@cache
def _challenge() -> dict[str, Any]:
    """The variables of the Challenge by group, their units, and the types of ICU."""
    text = Path(__file__).with_name("physionet2012.yaml").read_text("utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data


@cache
def _defaults() -> dict[str, Any]:
    """The Challenge's own format; a recipe's `format:` replaces any part of it."""
    units = _challenge()["units"]
    return {
        "groups": _challenge()["groups"],
        "units": {name: unit for unit, names in units.items() for name in names},
        "missing": [-1],
        "id": "RecordID",
        "age": "Age",
        "sex": "Gender",
        "site": "ICUType",
        "sexes": {"0": "F", "1": "M"},
    }


def sniff(head: bytes) -> bool:
    """Whether the file begins with the layout's header."""
    first = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0]
    return first.strip().replace(b" ", b"").lower() == _HEADER.encode()


def read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """The stay: `[F, T]` with the channels of the groups, in the same order in every file.

    Times are hours since admission. Values of one variable at one time become their mean (counted
    in `facts`), -1 is missing, variables of no group are counted and left out. RecordID is subject
    and study (private), ICUType the site, Age and Gender the item's.
    """
    stay = Stay(SeriesFormat.of(options, _defaults()))
    number = 0
    with path.open("r", encoding="utf-8", errors="replace", newline="") as file:
        next(file, "")
        for number, line in enumerate(file, 1):
            if number > MAX_ROWS:
                raise Unreadable(f"an ICU stay of more than {MAX_ROWS} rows")
            stay.broken += not _take(stay, line)
    if number and stay.broken > BROKEN * number:
        raise Unreadable("a damaged table of measurements")
    item = stay.item({"format": "PhysioNet 2012"})
    yield replace(item, site=_challenge()["icu_types"].get(item.site or "", item.site))


def _take(stay: Stay, line: str) -> bool:
    """Take one row; says whether it could be read. An empty one is none."""
    cells = line.strip().split(",")
    if cells == [""]:
        return True
    hours = clock(cells[0])
    if len(cells) != 3 or hours is None or not cells[1].strip():
        return False
    return stay.put(hours, cells[1].strip(), cells[2])
