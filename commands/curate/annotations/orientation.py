"""Annotations turned with the image that its EXIF orientation turns.

They are drawn on the pixels as the file stores them, unless their size says otherwise. Where the
turn keeps the size, it cannot be known: they are turned, and a note says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.readers.item import Box

NOTE = "annotations turned with their image (EXIF orientation)"
SWAPS = 5
"""From this EXIF orientation on, rows become columns."""
_MASKS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: np.fliplr,
    3: lambda mask: np.rot90(mask, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda mask: np.rot90(mask, -1),
    7: lambda mask: np.rot90(mask, 2).T,
    8: np.rot90,
}


def stored_size(orientation: int, height: int, width: int) -> tuple[int, int]:
    """Height and width of the stored pixels of an image of this upright size."""
    return (width, height) if orientation >= SWAPS else (height, width)


def turned_mask(mask: NDArray[Any], orientation: int, height: int, width: int) -> NDArray[Any]:
    """A mask `[H, W]` turned like its image, if it has the size of the stored pixels.

    Args:
        mask: as its file has it.
        orientation: of the image (EXIF, 1 to 8).
        height, width: of the upright image.
    """
    if orientation not in _MASKS or mask.shape != stored_size(orientation, height, width):
        return mask
    return np.ascontiguousarray(_MASKS[orientation](mask))


def turned_boxes(boxes: Iterable[Box], orientation: int, size: tuple[float, float]) -> list[Box]:
    """Boxes on stored pixels of `size` (width, height) as boxes on the upright image."""
    width, height = size
    turned = []
    for box in boxes:
        corners = [
            _turned(x, y, orientation, width, height)
            for x, y in ((box.x0, box.y0), (box.x1, box.y1))
        ]
        xs, ys = zip(*corners, strict=True)
        turned.append(Box(box.label, min(xs), min(ys), max(xs), max(ys)))
    return turned


def _turned(
    x: float, y: float, orientation: int, width: float, height: float
) -> tuple[float, float]:
    return {
        2: (width - x, y),
        3: (width - x, height - y),
        4: (x, height - y),
        5: (y, x),
        6: (height - y, x),
        7: (height - y, width - x),
        8: (y, width - x),
    }.get(orientation, (x, y))
