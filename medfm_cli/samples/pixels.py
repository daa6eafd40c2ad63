"""Operations on pixels that keep the meaning of an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resize(image: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Resize to (height, width), bilinear, with antialiasing when it shrinks.

    uint8 `[H, W]` or `[H, W, 3]`, or float32 `[H, W]`.
    """
    if image.shape[:2] == shape:
        return image
    height, width = shape
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)
