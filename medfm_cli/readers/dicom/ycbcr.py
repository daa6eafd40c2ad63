"""Whether pixels that are said to be red, green and blue are luma and chroma.

Some devices (ultrasound above all) write YCbCr into a JPEG without any marker, and RGB into the
DICOM header. Two things distinguish them. Few triples (a quarter) of the YCbCr cube are colours at
all, and the black, white and grey of an RGB image are none of them. And light and shade move
red, green and blue together, which luma and the two chromas do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_COLOURS = 0.95
"""Share of the pixels that are colours as YCbCr, at least."""
_TOGETHER = 0.3
"""Least correlation of any two components in which they are red, green and blue."""
_FAINT = 0.25
"""Share of the first component's spread below which the others are faint chromas."""
_ROUNDING = 16
"""How far a colour may lie outside of 0…255, as lossy JPEG has it."""
_LOOKED_AT = 1 << 16
_TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]])
"""PS3.3 C.7.6.3.1.2, the other way round."""


def looks_like_ycbcr(values: NDArray[Any]) -> bool:
    """Whether pixels, uint8 `[H, W, 3]`, make sense as YCbCr and not as RGB."""
    pixels = values.reshape(-1, 3)
    pixels = pixels[:: max(1, len(pixels) // _LOOKED_AT) | 1].astype(np.float64)
    colours = (pixels - (0, 128, 128)) @ _TO_RGB.T
    possible = ((colours >= -_ROUNDING) & (colours <= 255 + _ROUNDING)).all(axis=1)
    return bool(possible.mean() >= _COLOURS) and not _move_together(pixels)


def _move_together(pixels: NDArray[np.float64]) -> bool:
    first, *others = pixels.std(axis=0)
    if max(others) < _FAINT * first or min(first, *others) < 1:
        return False
    correlation = np.corrcoef(pixels.T)
    return bool(correlation.min() > _TOGETHER)
