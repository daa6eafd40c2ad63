"""Signals as tables of numbers in text: CSV, with `;`, tabs or blanks too.

Read only where a recipe says so (`readers: [csv-signal]`, or `format.rate`): a table of numbers
could as well be labels.
"""

from __future__ import annotations

import csv
import io
from array import array
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.signals.channels import MAX_SAMPLES
from medfm_cli.readers.signals.format import SignalFormat

_EMPTY = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "."})
_REGULAR = 0.01
"""Most that the steps of a time column may differ, as a share of the step."""


def sniff(head: bytes) -> bool:
    """Whether there is a row of numbers near the beginning of a text."""
    if b"\x00" in head:
        return False
    lines = [line.strip() for line in head.decode("latin-1").splitlines() if line.strip()]
    rows = [_numbers(line.split(_delimiter(line))) for line in lines[:5]]
    return any(value == value for row in rows for value in row or ())


def read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """The signal of one file.

    Up to two rows may stand above the numbers: names, then units. Empty cells are NaN. A column
    that `format.time` names gives the rate, and must be regular.
    """
    signal_format = SignalFormat.of(options)
    try:
        with path.open("rb") as file:
            text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
            names, units, table = _table(text, min(options.max_values, MAX_SAMPLES))
    except csv.Error:
        raise Unreadable("a damaged table of numbers") from None
    except MemoryError:
        raise Unreadable("the signal needs more memory than there is") from None
    if signal_format.layout == "rows" and names:
        raise Unreadable("a table with names above it, where the recipe says one channel a row")
    if names:
        signal_format, names, units, table = _columns(signal_format, names, units, table)
        signal_format = replace(signal_format, layout="columns", units=signal_format.units or units)
    yield signal_format.signal(table, names, {"format": "CSV"})


def _table(
    text: io.TextIOWrapper, limit: int
) -> tuple[tuple[str, ...], tuple[str, ...], NDArray[np.float64]]:
    """Names and units above the numbers, and the numbers `[rows, columns]`."""
    first = text.readline()
    delimiter = _delimiter(first)
    text.seek(0)
    heads: list[tuple[str, ...]] = []
    values = array("d")
    width = 0
    for number, row in enumerate(csv.reader(text, delimiter=delimiter, skipinitialspace=True), 1):
        cells = [cell.strip() for cell in row]
        while cells and delimiter == " " and not cells[-1]:
            cells.pop()
        if cells in ([], [""]):
            continue
        numbers = _numbers(cells)
        if numbers is None and not values and len(heads) < 2:
            heads.append(tuple(cells))
            continue
        if numbers is None:
            raise Unreadable(f"line {number} of the table has cells that are not numbers")
        width = width or len(numbers)
        if len(numbers) != width:
            raise Unreadable(f"line {number} of the table has {len(numbers)} cells, not {width}")
        values.extend(numbers)
        if len(values) > limit:
            raise Unreadable(f"a signal of more than {limit / 1e6:.0f} million samples")
    if not values:
        raise Unreadable("a table without numbers")
    names, units = [*heads, (), ()][:2]
    if any(len(head) != width for head in heads):
        raise Unreadable("a table whose numbers do not stand below its names")
    return names, units, np.frombuffer(values, np.float64).reshape(-1, width)


def _columns(
    signal_format: SignalFormat,
    names: tuple[str, ...],
    units: tuple[str, ...],
    table: NDArray[np.float64],
) -> tuple[SignalFormat, tuple[str, ...], tuple[str, ...], NDArray[np.float64]]:
    """Only the channels that the recipe wants, without the column of times."""
    if signal_format.time:
        if signal_format.time not in names:
            raise Unreadable("a table without the time column that the recipe names")
        if signal_format.rate is None:
            signal_format = replace(
                signal_format, rate=_rate(table[:, names.index(signal_format.time)])
            )
    chosen = signal_format.channels or tuple(name for name in names if name != signal_format.time)
    missing = [name for name in chosen if name not in names]
    if missing:
        raise Unreadable(f"a table without {len(missing)} of the channels that the recipe names")
    places = [names.index(name) for name in chosen]
    return signal_format, chosen, tuple(units[i] for i in places) if units else (), table[:, places]


def _rate(times: NDArray[np.float64]) -> float:
    """Samples a second of regular times in seconds."""
    steps = np.diff(times)
    step = float(np.median(steps)) if len(steps) else 0.0
    if not step > 0 or not np.isfinite(steps).all() or np.ptp(steps) > 2 * _REGULAR * step:
        raise Unreadable("a time column without a regular step")
    return round((len(times) - 1) / float(times[-1] - times[0]), 6)


def _delimiter(line: str) -> str:
    counts = {mark: line.count(mark) for mark in (",", ";", "\t")}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else " "


def _numbers(cells: list[str]) -> list[float] | None:
    """The cells as numbers, NaN where empty; None when one is something else."""
    found = []
    for cell in cells:
        try:
            found.append(float(cell))
        except ValueError:
            if cell.strip().lower() not in _EMPTY:
                return None
            found.append(float("nan"))
    return found
