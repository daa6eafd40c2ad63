"""Along an axis: round numbers, and no more points than an eye can tell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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


def thinned(
    xs: NDArray[np.floating], ys: NDArray[np.floating], step: float = 0.5
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """The points of a curve with no more than its lowest and highest in every `step` pixels."""
    import numpy as np

    xs, ys = xs[: len(ys)], ys[: len(xs)]
    if len(xs) < 2 or len(xs) <= 2 * (xs[-1] - xs[0]) / step:
        return xs, ys
    columns = ((xs - xs[0]) / step).astype(int)
    keep: list[int] = []
    for part in np.split(np.arange(len(xs)), np.flatnonzero(np.diff(columns)) + 1):
        known = part[np.isfinite(ys[part])]
        if known.size:
            keep += sorted({int(known[ys[known].argmin()]), int(known[ys[known].argmax()])})
        else:
            keep.append(int(part[0]))
    return xs[keep], ys[keep]
