"""Whether two small images show the same thing: the final check of pairs with near hashes.

Radiographs of different patients often have hashes within 8 bits: the hash sees the outline that
all chests share. Copies also share what is fine. So the images are laid over each other (a small
shift and stretch along each axis, as a crop makes, fitted by Gauss and Newton's method, in the
manner of Lucas and Kanade 1981) and compared in two bands of detail, each divided by its local
strength, so that a bright edge counts no more than a faint rib. What is fitted is the sum of the
two correlations after Fisher's transform (1915), which spreads them evenly.

The limit was chosen on real images (`benchmarks/near_duplicates.py` repeats it): of 194 376 pairs
of 624 children's radiographs, 158 have hashes within 8 bits, and none but the six pairs of
identical ones comes near it (2.05 at most, even at 12 bits). Copies reach 2.6 to 10, but for a few
of soft skin at 28 pixels.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]
Scores = NDArray[np.float32]
Places = NDArray[np.int64]
Marks = NDArray[np.bool_]
Motion = NDArray[np.float32]
"""`[M, 4]` in pixels: shift and stretch to the right, shift and stretch down."""
BATCH = 256
"""Pairs that are compared at a time; about 10 MB."""
LIKE = 2.4
"""What copies reach."""
COARSE = 0.72
"""Correlation of detail at half the size below which nobody looks closer."""
_NEARLY = 1.2  # from which a second try, the other way round, is worth it
_SPREAD = 50.0  # standard deviation that all images are brought to
_FAINT = 5.0  # standard deviation (grey steps) below which they are not amplified further
_FLOOR = 4.0  # mean square below which detail counts as noise
_EDGE = 2  # pixels at the edge that are not compared
_REACH = 1.5  # pixels that a image may be moved or stretched by, at the edge


def alike(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> Marks:
    """Which pairs show the same.

    Args:
        left: uint8 `[M, S, S]`, images as `perceptual.small` makes them (S is 32).
        right: the others, already turned to lie as the left ones do.
    """
    everyone = np.arange(len(left))
    return alike_among(left, everyone, right, everyone)


def alike_among(left: NDArray[np.uint8], i: Places, right: NDArray[np.uint8], j: Places) -> Marks:
    """Which of the pairs `left[i]`, `right[j]` show the same; `[P]`.

    A image in several pairs is prepared once: cheaper than `alike` where pairs share images.
    """
    same = np.zeros(len(i), dtype=bool)
    for start in range(0, len(i), BATCH):
        ones, a = np.unique(i[start : start + BATCH], return_inverse=True)
        others, b = np.unique(j[start : start + BATCH], return_inverse=True)
        same[start : start + BATCH] = _alike(_prepared(left[ones]), a, _prepared(right[others]), b)
    return same


class _Prepared(NamedTuple):
    """Images of one contrast, also at half the size, and what of them is compared."""

    whole: Images
    half: Images
    bands: Images
    fine: Images

    def take(self, places: Places) -> _Prepared:
        return _Prepared(*(part[places] for part in self))


def _prepared(images: NDArray[np.uint8]) -> _Prepared:
    values = images.astype(np.float32)
    values -= values.mean(axis=(1, 2), keepdims=True)
    spread = np.maximum(values.std(axis=(1, 2), keepdims=True), np.float32(_FAINT))
    values *= np.float32(_SPREAD) / spread
    count, side, _ = values.shape
    half = values.reshape(count, side // 2, 2, side // 2, 2).mean(axis=(2, 4))
    return _Prepared(values, half, _bands(values), _bands(half)[:, 1])


def _alike(left: _Prepared, i: Places, right: _Prepared, j: Places) -> Marks:
    """First as they lie; then fit the right to the left; where that fails, the left to the right.

    Only one way succeeds when one is cut out of the other.
    """
    same = _scores(left.bands[i], right.bands[j]) >= LIKE
    open_ = np.flatnonzero(~same)
    if not len(open_):
        return same
    a, b = left.take(i[open_]), right.take(j[open_])
    near, passed = _fitted(a, b)
    far = np.flatnonzero(~near)
    _, passed[far] = _fitted(b.take(far), a.take(far))
    same[open_] = passed
    return same


def _fitted(a: _Prepared, b: _Prepared) -> tuple[Marks, Marks]:
    """Which pairs come near at half the size when `b` is moved, and which of them are alike."""
    start = np.zeros((len(a.half), 4), dtype=np.float32)
    moved, motion = _laid_over(a.half, b.half, start, rounds=1)
    near = _correlation(a.fine, _bands(moved)[:, 1]) >= COARSE
    closer, motion = np.flatnonzero(near), 2 * motion[near]
    same = np.zeros(len(near), dtype=bool)
    scores = _laid_scores(a.take(closer), b.take(closer), motion)
    same[closer] = scores >= LIKE
    nearly = (scores >= _NEARLY) & (scores < LIKE)
    again = closer[nearly]
    same[again] = _laid_scores(b.take(again), a.take(again), -motion[nearly]) >= LIKE
    return near, same


def _laid_scores(a: _Prepared, b: _Prepared, motion: Motion) -> Scores:
    if not len(motion):
        return np.zeros(0, dtype=np.float32)
    moved, _ = _laid_over(a.whole, b.whole, motion, rounds=2)
    return _scores(a.bands, _bands(moved))


def _scores(a: Images, b: Images) -> Scores:
    """The correlations in both bands, transformed and added up."""
    both = np.clip(np.stack([_correlation(a[:, k], b[:, k]) for k in (0, 1)]), -0.9999, 0.9999)
    added: Scores = np.arctanh(both).sum(axis=0)
    return added


def _laid_over(a: Images, b: Images, motion: Motion, *, rounds: int) -> tuple[Images, Motion]:
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


def _inside(images: Images, edge: int) -> Images:
    """The pixels that are no edge, `[M, pixels]`."""
    count, side, _ = images.shape
    return images[:, edge:-edge, edge:-edge].reshape(count, (side - 2 * edge) ** 2)


def _slopes(images: Images) -> tuple[Images, Images]:
    """Half the difference of the neighbours, down and to the right."""
    slope = _slope(images.shape[1])
    return slope @ images, images @ slope.T


@cache
def _slope(side: int) -> Images:
    place = np.arange(side)
    slope = np.zeros((side, side), dtype=np.float32)
    np.add.at(slope, (place, np.minimum(place + 1, side - 1)), 0.5)
    np.add.at(slope, (place, np.maximum(place - 1, 0)), -0.5)
    return slope


def _moved(images: Images, motion: Motion) -> Images:
    """Interpolate linearly at shifted and stretched places: rows and columns by a matrix each."""
    side = images.shape[1]
    place, across = np.arange(side, dtype=np.float32), np.linspace(-1, 1, side, dtype=np.float32)

    def weights(shift: NDArray[np.float32], stretch: NDArray[np.float32]) -> Images:
        source = np.clip(place + shift[:, None] + stretch[:, None] * across, 0, side - 1)
        near: Images = np.maximum(1 - np.abs(source[:, :, None] - place), 0).astype(np.float32)
        return near

    columns, rows = weights(motion[:, 0], motion[:, 1]), weights(motion[:, 2], motion[:, 3])
    moved: Images = (rows @ images @ columns.transpose(0, 2, 1)).astype(np.float32, copy=False)
    return moved


def _bands(images: Images) -> Images:
    """Detail of middling and of the finest size, each by its local strength.

    Returns:
        float32 `[M, 2, pixels]` without the edge, each of mean 0 and length 1.
    """
    count, side, _ = images.shape
    narrow, wide = _blurred(images, (1, 2, 1)), _blurred(images, (1, 4, 6, 4, 1))
    detail = np.concatenate([narrow - wide, images - wide])
    detail /= np.sqrt(_blurred(detail * detail, (1, 1, 1, 1, 1)) + np.float32(_FLOOR))
    flat = _inside(detail, _EDGE)
    flat = flat - flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), np.float32(1e-6))
    bands: Images = flat.reshape(2, count, (side - 2 * _EDGE) ** 2).swapaxes(0, 1)
    return bands


def _blurred(images: Images, weights: tuple[int, ...]) -> Images:
    """A weighted mean over the pixels around, along both axes; edge values are repeated."""
    blur = _blur(images.shape[1], weights)
    return blur @ (images @ blur.T)


@cache
def _blur(side: int, weights: tuple[int, ...]) -> Images:
    """The matrix that does so along one axis, `[side, side]`."""
    place, reach = np.arange(side), len(weights) // 2
    blur = np.zeros((side, side), dtype=np.float32)
    for offset, weight in enumerate(weights, -reach):
        np.add.at(blur, (place, np.clip(place + offset, 0, side - 1)), weight / sum(weights))
    return blur


def _correlation(a: Images, b: Images) -> Scores:
    """The product of vectors of mean 0 and length 1."""
    found: Scores = np.einsum("mi,mi->m", a, b)
    return found
