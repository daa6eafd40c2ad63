"""How much of a image is printed text: scanned letters, dose reports, screens full of words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LONGEST = 1024
"""Pages are looked at in about this many pixels along their longer side."""
_SMALLEST = 160
"""Side of a image below which text would not be legible, in pixels."""
_CELL = 16
_NEAR, _TONE, _INK = 16, 28, 56
"""Grey values this near to the paper are paper; beyond these they are something, and ink."""
_PAPER = 0.55
"""Share of a page that is bare paper, at least."""
_COLOUR = 48
"""Spread of the three colours of ink (median) from which it is a stain and no print."""
_STRIPS = 4
_LINES = 4
"""Lines of text in a strip of the page, at least; fewer are a caption."""


def text_share(pixels: NDArray[np.uint8]) -> float:
    """The share of what is on the image that is printed text, 0 to 1.

    Text is ink without colour on even paper (or light on a dark screen), in strokes that come and
    go along a row, in lines with empty rows between them. All of this is required, so that
    speckle, stained cells on a bright ground and anatomy on black are none.

    Args:
        pixels: uint8 `[H, W]` or `[H, W, 3]`.
    """
    if min(pixels.shape[:2]) < _SMALLEST:
        return 0.0
    small = _reduced(pixels)
    shades = small if small.ndim == 2 else small.mean(axis=2, dtype=np.float32).astype(np.uint8)
    levels = np.bincount(shades.reshape(-1), minlength=256)
    distance = np.abs(shades.astype(np.int16) - int(levels.argmax()))
    if (distance <= _NEAR).mean() < _PAPER:
        return 0.0
    ink = distance > _INK
    if _coloured(small, ink) or not any(_has_lines(turned) for turned in (ink, ink.T)):
        return 0.0
    occupied, text = _cells(distance > _TONE, ink)
    return float(text.sum() / occupied.sum()) if occupied.any() else 0.0


def _cells(
    tone: NDArray[np.bool_], ink: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which squares hold anything, and which of them hold strokes of ink."""
    toned = _squares(tone).mean(axis=(1, 3))
    cells = _squares(ink.astype(np.int8))
    share = cells.mean(axis=(1, 3))
    strokes = np.abs(np.diff(cells, axis=3)).sum(axis=(1, 3))
    strokes += np.abs(np.diff(cells, axis=1)).sum(axis=(1, 3))
    occupied = toned > 0.02
    printed = toned - share < share  # soft greys are less than the ink whose edges they are
    return occupied, occupied & printed & (share < 0.7) & (strokes > 1.2 * _CELL)


def _squares(values: NDArray[Any]) -> NDArray[Any]:
    rows, columns = values.shape[0] // _CELL, values.shape[1] // _CELL
    cut = values[: rows * _CELL, : columns * _CELL]
    return cut.reshape(rows, _CELL, columns, _CELL)


def _coloured(pixels: NDArray[np.uint8], ink: NDArray[np.bool_]) -> bool:
    if pixels.ndim == 2 or not ink.any():
        return False
    printed = pixels[ink].astype(np.int16)
    return float(np.median(printed.max(axis=1) - printed.min(axis=1))) > _COLOUR


def _has_lines(ink: NDArray[np.bool_]) -> bool:
    """Whether half of the page's strips show several lines with empty rows between them."""
    found = 0
    for strip in np.array_split(ink, _STRIPS, axis=1):
        marked = strip.any(axis=1)
        starts = np.flatnonzero(np.diff(marked.astype(np.int8), prepend=0) == 1)
        ends = np.flatnonzero(np.diff(marked.astype(np.int8), append=0) == -1) + 1
        heights = ends - starts
        lines = (heights >= 4) & (heights <= len(ink) // 12)
        found += int(lines.sum()) >= _LINES and heights[lines].sum() > 0.6 * heights.sum()
    return found >= _STRIPS // 2


def _reduced(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image, made smaller by a whole factor where it is large."""
    factor = max(1, round(max(pixels.shape[:2]) / LONGEST))
    if factor == 1:
        return pixels
    height, width = (side // factor for side in pixels.shape[:2])
    cut = pixels[: height * factor, : width * factor]
    cut = cut.reshape(height, factor, width, factor, *pixels.shape[2:])
    smaller: NDArray[np.uint8] = cut.mean(axis=(1, 3), dtype=np.float32).astype(np.uint8)
    return smaller
