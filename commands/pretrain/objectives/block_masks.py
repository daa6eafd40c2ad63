"""Block-wise masks: rectangles of patches are hidden until a target number is reached.

For n patches to hide in an image, rectangles are tried one after another:

```
area   s = lo + (hi − lo) u₁      lo = min(4, left), hi = left    left: patches still to be hidden
aspect r = exp((2 u₂ − 1) log(1 / 0.3))
height h = round √(s r), width w = round √(s / r), its corner uniform where it fits
```

A rectangle is accepted if it hides new patches and no more than `left`. The remaining patches are
filled one by one, so that exactly n are hidden. Source: BEiT (Bao et al. 2021, arXiv
2106.08254, algorithm 1), used by iBOT (Zhou et al. 2021, arXiv 2111.07832) and DINOv2; there, some
masks end a few patches short.

All images are processed at once, round by round, each with its own random numbers: the masks of a
sample do not depend on the other samples of the batch.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

ROUNDS = 24
"""Rectangles that are tried in each image."""

_SMALLEST = 4  # patches in a rectangle
_ASPECT = math.log(1 / 0.3)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def block_masks(
    counts: NDArray[np.int64], draws: Floats, noise: Floats, *, grid: tuple[int, int]
) -> Bools:
    """Hide exactly `counts` patches of each image.

    Args:
        counts: how many patches of each image are hidden, [B], from 0 to all.
        draws: U[0, 1), [B, rounds, 4]: of each rectangle area, aspect, top and left.
        noise: U[0, 1), [B, N]: the order in which single patches fill what is left.
        grid: rows and columns of patches.

    Returns:
        bool [B, N], row by row; True is hidden.
    """
    masks = np.zeros((len(counts), *grid), dtype=bool)
    left = counts.copy()
    for number in range(draws.shape[1]):
        if not left.any():
            break
        block = _rectangles(left, draws[:, number], grid) & ~masks
        new = block.sum(axis=(1, 2))
        accepted = (new > 0) & (new <= left)
        masks |= block & accepted[:, None, None]
        left -= np.where(accepted, new, 0)
    return _filled(masks.reshape(len(counts), -1), left, noise)


def mask_counts(uniform: Floats, *, low: float, high: float, patches: int) -> NDArray[np.int64]:
    """Map U[0, 1) [B] to the number of `patches` to hide: a share from low to high, 1 at least."""
    part = low + (high - low) * uniform
    return np.maximum(1, np.floor(part * patches + 1e-9)).astype(np.int64)


def _rectangles(left: NDArray[np.int64], draws: Floats, grid: tuple[int, int]) -> Bools:
    """One rectangle for each image, [B, rows, columns]."""
    smallest = np.minimum(_SMALLEST, left)
    area = smallest + (left - smallest) * draws[:, 0]
    root = np.exp((2 * draws[:, 1] - 1) * _ASPECT / 2)
    insides = []
    for axis, (length, draw) in enumerate(
        ((np.sqrt(area) * root, draws[:, 2]), (np.sqrt(area) / root, draws[:, 3]))
    ):
        side = np.clip(np.rint(length), 1, grid[axis])
        start = np.floor(draw * (grid[axis] - side + 1))[:, None]
        places = np.arange(grid[axis])
        insides.append((places >= start) & (places < start + side[:, None]))
    inside: Bools = insides[0][:, :, None] & insides[1][:, None, :]
    return inside


def _filled(masks: Bools, left: NDArray[np.int64], noise: Floats) -> Bools:
    """Hide `left` more patches of each image: those that are seen and have the least noise."""
    order = np.argsort(np.where(masks, np.inf, noise), axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    filled: Bools = masks | (rank < left[:, None])
    return filled
