"""Operations on pixels that keep the meaning of an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FLAT = 1.0
"""Grey values (0–255) that vary less than this show nothing."""
_ENOUGH = 1 << 18
"""Pixels that show whether an image is blank."""


def resize(image: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Resize to (height, width), bilinear, with antialiasing when it shrinks.

    uint8 `[H, W]` or `[H, W, 3]`, or float32 `[H, W]`.
    """
    if image.shape[:2] == shape:
        return image
    height, width = shape
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)


def shrunk(image: NDArray[np.uint8], max_side: int | None) -> NDArray[np.uint8]:
    """Make an image smaller whose longer side is above `max_side`."""
    height, width = image.shape[:2]
    return resize(image, shrunk_shape((height, width), max_side))


def shrunk_shape(shape: tuple[int, int], max_side: int | None) -> tuple[int, int]:
    """Height and width of an image whose longer side is at most `max_side`."""
    height, width = shape
    if max_side is None or max(height, width) <= max_side:
        return height, width
    scale = max_side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def check_image(image: NDArray[np.uint8]) -> None:
    """Check that an array is an image.

    Raises:
        ValueError: it is not uint8 `[H, W]` or `[H, W, 3]`, or it is empty.
    """
    shape_ok = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or not shape_ok or 0 in image.shape:
        raise ValueError(
            f"an image is uint8 [H, W] or [H, W, 3], not {image.dtype} {list(image.shape)}"
        )


def is_blank(pixels: NDArray[np.uint8]) -> bool:
    """Whether all pixels of an image are alike."""
    return bool(sparse(pixels, _ENOUGH).std() < FLAT)


def sparse(values: NDArray[Any], count: int) -> NDArray[Any]:
    """About `count` of the values, evenly spaced; all of a small array."""
    flat = values.reshape(-1)
    return flat[:: max(1, flat.size // count) | 1]
