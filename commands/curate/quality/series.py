"""ICU series: no measurement, or values that no living patient has."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.options.plausible import range_of
from medfm_cli.commands.curate.options.quality import Quality
from medfm_cli.samples.content import Series


def rejection_reason(content: Series, quality: Quality) -> str:
    """Why a stay is not kept, empty when it is."""
    measured = int(np.isfinite(content.values).sum())
    if quality.min_measurements is not None and measured < quality.min_measurements:
        fewest = quality.min_measurements
        return "no measurement" if fewest == 1 else f"fewer than {fewest} measurements"
    outside = int(_outside(content, quality).sum())
    if quality.max_implausible is not None and outside > quality.max_implausible * measured:
        return f"implausible: more than {quality.max_implausible:.0%} of the values"
    return ""


def mend(content: Series, quality: Quality) -> tuple[Series, tuple[str, ...]]:
    """The stay with implausible values set to NaN, and notes that count them by variable."""
    outside = _outside(content, quality)
    static = {name: value for name, value in content.static.items() if _known(name, value, quality)}
    counts: Counter[str] = Counter()
    for name, marks in zip(_names(content), outside, strict=True):
        counts[name] += int(marks.sum())
    counts.update(set(content.static) - set(static))
    found = {name: count for name, count in counts.items() if count}
    if not found:
        return content, ()
    values = np.where(outside, np.float32(np.nan), content.values)
    notes = tuple(f"{count} implausible: {name}" for name, count in sorted(found.items()))
    return replace(content, values=values, static=static), notes


def _outside(content: Series, quality: Quality) -> NDArray[np.bool_]:
    """Which values lie outside their range, `[F, T]`."""
    marks = np.zeros(content.values.shape, dtype=bool)
    units = content.units or ("",) * len(content.values)
    for row, (name, unit) in enumerate(zip(_names(content), units, strict=True)):
        limits = range_of(name, unit, quality.plausible)
        if limits is not None:
            values = content.values[row].astype(np.float64)
            # a float32 may lie just beside the limit that it stands for: 0.21, 45.1
            slack = 1e-6 * max(1.0, abs(limits.low), abs(limits.high))
            marks[row] = (values < limits.low - slack) | (values > limits.high + slack)
    return marks


def _known(name: str, value: float | str, quality: Quality) -> bool:
    """Whether what is known once of a stay can be true."""
    limits = range_of(name, "", quality.plausible)
    if limits is None or isinstance(value, str):
        return True
    return not np.isfinite(value) or limits.low <= value <= limits.high


def _names(content: Series) -> tuple[str, ...]:
    return content.channels or ("",) * len(content.values)
