"""Connected components of a mask, in numpy: runs along the rows, joined where they touch.

`scipy.ndimage.label` and `find_objects` give the same components (a test compares them) and take
three times as long for an image; the detector needs the runs as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Components:
    """The components of a mask, one entry each in all arrays.

    Attributes:
        y0, x0, y1, x1: the bounding box; the latter two outside.
        area: pixels.
        runs: how many runs along rows it consists of.
        peak: the brightest value.
    """

    y0: Ints
    x0: Ints
    y1: Ints
    x1: Ints
    area: Ints
    runs: Ints
    peak: Ints

    def take(self, chosen: NDArray[np.bool_] | Ints) -> Components:
        """Some of them, by a mask or in the order of places."""
        return Components(*(getattr(self, name)[chosen] for name in self.__slots__))

    def __len__(self) -> int:
        return len(self.y0)


def components(mask: NDArray[np.bool_], grey: NDArray[np.uint8]) -> Components:
    """The components of a mask `[H, W]` that touch along edges or corners; peaks are of `grey`."""
    height, width = mask.shape
    pitch = width + 2
    padded = np.zeros((height, pitch), dtype=np.uint8)
    padded[:, 1:-1] = mask
    flat = padded.reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts, ends = edges[0::2], edges[1::2]
    if len(starts) == 0:
        none = np.zeros(0, dtype=np.int64)
        return Components(*[none] * 7)
    below_first = np.searchsorted(ends, starts + pitch, side="left")
    below_last = np.searchsorted(starts, ends + pitch, side="right")
    upper, lower = pairs(below_first, below_last)
    label = connected(len(starts), upper, lower)
    rows, left = np.divmod(starts, pitch)
    length = ends - starts
    values = np.zeros((height, pitch), dtype=np.uint8)
    values[:, 1:-1] = grey
    peaks = np.maximum.reduceat(values.reshape(-1), edges)[0::2]
    return _measured(label, rows, left - 1, length, peaks)


def _measured(
    label: Ints, rows: Ints, left: Ints, length: Ints, peaks: NDArray[np.uint8]
) -> Components:
    _, number = np.unique(label, return_inverse=True)
    count = int(number.max()) + 1
    far = np.iinfo(np.int64).max
    y0, x0 = np.full(count, far), np.full(count, far)
    y1, x1, peak = (np.zeros(count, dtype=np.int64) for _ in range(3))
    np.minimum.at(y0, number, rows)
    np.maximum.at(y1, number, rows + 1)
    np.minimum.at(x0, number, left)
    np.maximum.at(x1, number, left + length)
    np.maximum.at(peak, number, peaks.astype(np.int64))
    area = np.bincount(number, weights=length, minlength=count).astype(np.int64)
    runs = np.bincount(number, minlength=count).astype(np.int64)
    return Components(y0, x0, y1, x1, area, runs, peak)


def pairs(first: Ints, last: Ints) -> tuple[Ints, Ints]:
    """For each i all pairs (i, j) with `first[i]` ≤ j < `last[i]`."""
    count = np.maximum(last - first, 0)
    i = np.repeat(np.arange(len(first)), count)
    within = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count)
    return i, first[i] + within


def connected(count: int, a: Ints, b: Ints) -> Ints:
    """A label for each of `count` things: the same where pairs (a, b) lead from one to another."""
    label = np.arange(count)
    while True:
        roots_a, roots_b = label[a], label[b]
        apart = roots_a != roots_b
        if not apart.any():
            return label
        low = np.minimum(roots_a[apart], roots_b[apart])
        np.minimum.at(label, np.maximum(roots_a[apart], roots_b[apart]), low)
        while True:
            shorter = label[label]
            if (shorter == label).all():
                break
            label = shorter
