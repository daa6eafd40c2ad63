"""Round numbers along an axis."""

from __future__ import annotations

import math


def round_steps(low: float, high: float, most: int) -> list[float]:
    """Round numbers from `low` to `high`, up to about `most` of them: steps of 1, 2 or 5."""
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    raw = span / max(1, most)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * size for size in (1, 2, 5, 10) if power * size >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]
