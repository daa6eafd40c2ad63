"""Whether decoded pixels are an image that anyone could learn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.recipe import Quality

FLAT = 1.0
"""Grey values (0–255) that vary less than this show nothing."""
_PROBE = 4096


def refusal(pixels: NDArray[np.uint8], quality: Quality) -> str:
    """Why an image is not kept, empty when it is.

    Args:
        pixels: uint8 `[H, W]` or `[H, W, 3]`.
        quality: the limits of the recipe.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < quality.min_side:
        return f"tiny: a side of less than {quality.min_side} pixels"
    if _sparse(pixels, 1 << 18).std() < FLAT:
        return "blank: all pixels are alike"
    if pixels.ndim == 2 and _two_levels(pixels):
        return "only two grey levels: a mask or a drawing"
    return ""


def _two_levels(pixels: NDArray[np.uint8]) -> bool:
    """Whether there are at most two grey values; a sparse look settles nearly all images."""
    if len(np.unique(_sparse(pixels, _PROBE))) > 2:
        return False
    flat = pixels.reshape(-1)
    return int(np.count_nonzero(np.bincount(flat, minlength=256))) <= 2


def _sparse(pixels: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """About `count` of the values, evenly spaced; all of a small image."""
    flat = pixels.reshape(-1)
    return flat[:: max(1, flat.size // count) | 1]
