"""What a image looks like, in 63 bits: nearly the same for copies, others for other images.

The hash takes the signs of the 63 lowest frequencies of the cosine transform of the image at
32×32, the mean left out. It is the well-known pHash (Zauner 2010, "Implementation and benchmarking
of perceptual image hash functions") with two changes. Frequencies are taken from a quarter circle
rather than a square: high diagonal ones are the first to change when a image is cropped. And they
are compared with zero rather than with their median: turning or flipping a image only permutes
and negates its frequencies, so the hashes of all eight views follow from one.

All arithmetic is on whole numbers, so that the same pixels give the same hash on every machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32
"""Edge of the small image that the hash is made from."""
BITS = 63
_OVERSAMPLED = 4  # box-averaged to no less than this times SIDE before the smooth resize

TURNS = (
    "as it is",
    "turned by 90°",
    "turned by 180°",
    "turned by 270°",
    "flipped left to right",
    "flipped upside down",
    "flipped along its diagonal",
    "flipped along its other diagonal",
)
"""The eight views of a square: number → name; 90° is counterclockwise, as `np.rot90`."""
INVERSE = (0, 3, 2, 1, 4, 5, 6, 7)
"""The turn that undoes a turn."""
_PARTS = (
    # For every turn: transposed first?, then flipped upside down?, then left to right?
    (0, 0, 0),
    (1, 1, 0),
    (0, 1, 1),
    (1, 0, 1),
    (0, 0, 1),
    (0, 1, 0),
    (1, 0, 0),
    (1, 1, 1),
)


def _frequencies() -> list[tuple[int, int]]:
    """The 63 lowest frequencies (row, column) by radius; closed under transposition."""
    square = ((u, v) for u in range(SIDE) for v in range(SIDE) if (u, v) != (0, 0))
    return sorted(square, key=lambda f: (f[0] ** 2 + f[1] ** 2, max(f), f))[:BITS]


_ROW, _COLUMN = (np.array(axis) for axis in zip(*_frequencies(), strict=True))
_HIGHEST = int(_ROW.max()) + 1
_TRANSPOSED = np.array([_frequencies().index((v, u)) for u, v in _frequencies()])
_WEIGHTS = np.uint64(1) << np.arange(BITS, dtype=np.uint64)


def _cosines() -> NDArray[np.float64]:
    """The cosine transform's rows, rounded to whole numbers: products then stay exact."""
    frequency, place = np.mgrid[:_HIGHEST, :SIDE]
    waves = np.cos(np.pi * frequency * (2 * place + 1) / (2 * SIDE))
    rounded: NDArray[np.float64] = np.round(4096 * waves)
    return rounded


_COSINES = _cosines()


def small(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image's luminance at 32×32, whatever its shape: uint8 `[32, 32]`.

    Args:
        pixels: uint8 `[H, W]` or `[H, W, 3]`, no side empty.
    """
    image = Image.fromarray(pixels)
    shrink = [max(1, side // (_OVERSAMPLED * SIDE)) for side in image.size]
    if shrink != [1, 1]:
        image = image.reduce((shrink[0], shrink[1]))
    if image.mode != "L":
        image = image.convert("L")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def perceptual_hash(image: NDArray[np.uint8]) -> int | None:
    """The hash of what `small` gives, 0 ≤ hash < 2⁶³; None for a image of one grey."""
    if image.min() == image.max():
        return None
    waves = _COSINES @ image.astype(np.float64) @ _COSINES.T
    return int(_WEIGHTS[waves[_ROW, _COLUMN] > 0].sum())


def turn_hashes(hashes: NDArray[np.uint64], turn: int) -> NDArray[np.uint64]:
    """The hashes that turned images have, uint64 `[N]`.

    Exact but for frequencies that are zero, as in images that are their own mirror image.
    """
    transposed, upside_down, left_right = _PARTS[turn]
    if transposed:
        hashes = _permuted(hashes)
    odd = (upside_down * _ROW + left_right * _COLUMN) % 2 == 1
    flipped: NDArray[np.uint64] = hashes ^ _WEIGHTS[odd].sum(dtype=np.uint64)
    return flipped


def turn_images(images: NDArray[Any], turn: int) -> NDArray[Any]:
    """Square images `[N, S, S]`, turned; a view."""
    transposed, upside_down, left_right = _PARTS[turn]
    if transposed:
        images = images.swapaxes(1, 2)
    return images[:, :: -1 if upside_down else 1, :: -1 if left_right else 1]


def _permuted(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    moved = np.zeros_like(hashes)
    for place, origin in enumerate(_TRANSPOSED):
        moved |= (hashes >> np.uint64(origin) & np.uint64(1)) << np.uint64(place)
    return moved
