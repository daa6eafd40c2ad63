"""Numbers of any range to the 256 greys of a screen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable

PERCENTILES = (0.5, 99.5)
"""What becomes black and white where a file does not say; robust to a few hot pixels."""


def stretch(values: NDArray[Any], *, of: NDArray[Any] | None = None) -> NDArray[np.uint8]:
    """Map the `limits` of the values, or those `of` others, to 0…255; not finite becomes 0.

    Raises:
        Unreadable: nothing is finite, or the values are no real numbers.
    """
    low, high = limits(values if of is None else of)
    return scale(values, low=low, high=high)


def limits(values: NDArray[Any]) -> tuple[float, float]:
    """The 0.5th and 99.5th percentile of the finite values; the ends where those are equal.

    Raises:
        Unreadable: nothing is finite, or the values are no real numbers.
    """
    if values.dtype.kind not in "buif":
        raise Unreadable(f"its values are not numbers that make an image ({values.dtype})")
    finite = values.astype(np.uint8) if values.dtype.kind == "b" else values
    if finite.dtype.kind == "f":
        finite = finite[np.isfinite(finite)]
    if finite.size == 0:
        raise Unreadable("it holds no finite value")
    low, high = (float(value) for value in np.percentile(finite, PERCENTILES))
    return (low, high) if high > low else (float(finite.min()), float(finite.max()))


def scale(values: NDArray[Any], *, low: float, high: float) -> NDArray[np.uint8]:
    """Map `low` … `high` to 0…255, clipped and rounded; not finite becomes 0."""
    if high <= low:
        return np.zeros(values.shape, dtype=np.uint8)
    scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255.0 / (high - low))
    if values.dtype.kind == "f":
        np.nan_to_num(scaled, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
    np.clip(scaled, 0.0, 255.0, out=scaled)
    levels: NDArray[np.uint8] = np.rint(scaled, out=scaled).astype(np.uint8)
    return levels


def plain(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey that is stored as colour becomes grey: `[H, W, 3]` with equal channels → `[H, W]`."""
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        first = pixels[..., 0]
        if np.array_equal(first, pixels[..., 1]) and np.array_equal(first, pixels[..., 2]):
            return np.ascontiguousarray(first)
    return np.ascontiguousarray(pixels)
