"""Whether two small pictures show the same thing: the second look at pairs with near hashes.

Radiographs of different patients often have hashes within 8 bits: the hash sees the outline that
all chests share. Copies also share what is fine. So the pictures are laid over each other (a small
shift and stretch along each axis, as a crop makes, fitted by Gauss and Newton's method, in the
manner of Lucas and Kanade 1981) and compared in two bands of detail, each divided by its local
strength, so that a bright edge counts no more than a faint rib.

The limits were chosen on real images (`benchmarks/near_duplicates.py` measures them anew): of
194 376 pairs of 624 children's radiographs, 158 have hashes within 8 bits and are of different
children; none passes. Of copies made smaller (28 pixels), recompressed, with other contrast or
cropped by 2 % all pass, and of those cropped by 5 % 93–100 %.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.float32]
Scores = NDArray[np.float32]
Marks = NDArray[np.bool_]
Motion = NDArray[np.float32]
"""`[M, 4]` in pixels: shift and stretch to the right, shift and stretch down."""
BATCH = 192
"""Pairs that are compared at a time; about 10 MB."""
DETAIL, FINE = 0.90, 0.77
"""Correlations in the two bands that copies reach."""
COARSE = 0.72
"""Correlation at half the size below which nobody looks closer."""
_NEARLY = 0.15  # how far from the limits a second try is worth it
_SPREAD = 50.0  # standard deviation that all pictures are brought to
_FAINT = 5.0  # standard deviation (grey steps) below which they are not amplified further
_FLOOR = 4.0  # mean square below which detail counts as noise
_NARROW, _WIDE = (1, 2, 1), (1, 4, 6, 4, 1)
_REACH = 1.5  # pixels that a picture may be moved or stretched by, at the edge


def alike(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> Marks:
    """Which pairs show the same.

    Args:
        left: uint8 `[M, S, S]`, pictures as `perceptual.small` makes them (S is 32).
        right: the others, already turned to lie as the left ones do.
    """
    parts = [
        _alike(left[start : start + BATCH], right[start : start + BATCH])
        for start in range(0, len(left), BATCH)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)


def _alike(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> Marks:
    """Fit the right pictures to the left; where they do not come near, the left to the right.

    Only one way succeeds when one is cut out of the other.
    """
    a, b = _even(left), _even(right)
    near, same = _fitted(a, b)
    far = np.flatnonzero(~near)
    _, same[far] = _fitted(b[far], a[far])
    return same


def _fitted(a: Pictures, b: Pictures) -> tuple[Marks, Marks]:
    """Which pairs come near at half the size when `b` is moved, and which of them are alike."""
    small_a, small_b = _halved(a), _halved(b)
    start = np.zeros((len(a), 4), dtype=np.float32)
    moved, motion = _laid_over(small_a, small_b, start, rounds=1)
    near = _correlation(_bands(small_a)[1], _bands(moved)[1]) >= COARSE
    closer, motion = np.flatnonzero(near), 2 * motion[near]
    same = np.zeros(len(a), dtype=bool)
    same[closer], nearly = _passes(a[closer], b[closer], motion)
    again = closer[nearly]
    same[again], _ = _passes(b[again], a[again], -motion[nearly])
    return near, same


def _passes(
    a: Pictures, b: Pictures, motion: Motion
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which pairs are alike in both bands, and which are nearly so."""
    moved, _ = _laid_over(a, b, motion, rounds=2)
    bands = zip(_bands(a), _bands(moved), strict=True)
    detail, fine = (_correlation(x, y) for x, y in bands)
    passed = (detail >= DETAIL) & (fine >= FINE)
    nearly = (detail >= DETAIL - _NEARLY) & (fine >= FINE - _NEARLY)
    return passed, nearly & ~passed


def _bands(pictures: Pictures) -> tuple[Pictures, Pictures]:
    """Detail of middling and of the finest size, each by its local strength."""
    narrow, wide = _blurred(pictures, _NARROW), _blurred(pictures, _WIDE)
    return _local(narrow - wide), _local(pictures - wide)


def _even(pictures: NDArray[np.uint8]) -> Pictures:
    """All with the same mean and contrast."""
    values = pictures.astype(np.float32)
    values -= values.mean(axis=(1, 2), keepdims=True)
    spread = np.maximum(values.std(axis=(1, 2), keepdims=True), np.float32(_FAINT))
    evened: Pictures = values * (np.float32(_SPREAD) / spread)
    return evened


def _halved(pictures: Pictures) -> Pictures:
    count, side, _ = pictures.shape
    halved: Pictures = pictures.reshape(count, side // 2, 2, side // 2, 2).mean(axis=(2, 4))
    return halved


def _laid_over(a: Pictures, b: Pictures, motion: Motion, *, rounds: int) -> tuple[Pictures, Motion]:
    """`b` moved and stretched along both axes so that it fits `a` best, from a first guess on."""
    side = a.shape[1]
    across = np.linspace(-1, 1, side, dtype=np.float32)
    target = _inside(a, 1)
    moved = _moved(b, motion) if motion.any() else b
    for _ in range(rounds):
        down, right = _slopes(moved)
        terms = (moved, right, right * across, down, down * across[:, None])
        design = np.stack([_inside(term, 1) for term in terms], axis=1)
        design -= design.mean(axis=2, keepdims=True)
        squares = (design @ design.transpose(0, 2, 1)).astype(np.float64)
        squares += np.eye(5) * (1e-6 * np.trace(squares, axis1=1, axis2=2)[:, None, None] + 1e-3)
        weights = np.linalg.solve(squares, (design @ target[:, :, None]).astype(np.float64))
        gain = np.maximum(weights[:, :1, 0], 0.2)
        motion = np.clip(motion + weights[:, 1:, 0] / gain, -_REACH, _REACH).astype(np.float32)
        moved = _moved(b, motion)
    return moved, motion


def _inside(pictures: Pictures, edge: int) -> Pictures:
    """The pixels that are no edge, `[M, pixels]`."""
    count, side, _ = pictures.shape
    return pictures[:, edge:-edge, edge:-edge].reshape(count, (side - 2 * edge) ** 2)


def _slopes(pictures: Pictures) -> tuple[Pictures, Pictures]:
    padded = np.pad(pictures, ((0, 0), (1, 1), (1, 1)), mode="edge")
    half = np.float32(0.5)
    down: Pictures = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) * half
    right: Pictures = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) * half
    return down, right


def _moved(pictures: Pictures, motion: Motion) -> Pictures:
    """Interpolate linearly at shifted and stretched places: rows and columns by a matrix each."""
    side = pictures.shape[1]
    place, across = np.arange(side, dtype=np.float32), np.linspace(-1, 1, side, dtype=np.float32)

    def weights(shift: NDArray[np.float32], stretch: NDArray[np.float32]) -> Pictures:
        wanted = np.clip(place + shift[:, None] + stretch[:, None] * across, 0, side - 1)
        near: Pictures = np.maximum(1 - np.abs(wanted[:, :, None] - place), 0).astype(np.float32)
        return near

    columns, rows = weights(motion[:, 0], motion[:, 1]), weights(motion[:, 2], motion[:, 3])
    moved: Pictures = (rows @ pictures @ columns.transpose(0, 2, 1)).astype(np.float32, copy=False)
    return moved


def _blurred(pictures: Pictures, weights: tuple[int, ...]) -> Pictures:
    """A weighted mean over the pixels around, along both axes; edges go on as they end."""
    return _along(_along(pictures, weights, 1), weights, 2)


def _along(pictures: Pictures, weights: tuple[int, ...], axis: int) -> Pictures:
    reach, side = len(weights) // 2, pictures.shape[1]
    edges = [(0, 0), (0, 0), (0, 0)]
    edges[axis] = (reach, reach)
    padded = np.moveaxis(np.pad(pictures, edges, mode="edge"), axis, 0)
    total = np.zeros_like(padded[:side])
    for place, weight in enumerate(weights):
        total += np.float32(weight / sum(weights)) * padded[place : place + side]
    return np.moveaxis(total, 0, axis)


def _local(detail: Pictures) -> Pictures:
    """Detail divided by its strength in the 5×5 pixels around."""
    strength = _blurred(detail * detail, (1, 1, 1, 1, 1))
    local: Pictures = detail / np.sqrt(strength + np.float32(_FLOOR))
    return local


def _correlation(a: Pictures, b: Pictures) -> Scores:
    """Pearson's correlation of each pair, two pixels from the edge."""
    x, y = _inside(a, 2), _inside(b, 2)
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    both = np.einsum("mi,mi->m", x, y)
    sizes = np.einsum("mi,mi->m", x, x) * np.einsum("mi,mi->m", y, y)
    scores: Scores = both / np.sqrt(np.maximum(sizes, np.float32(1e-12)))
    return scores
