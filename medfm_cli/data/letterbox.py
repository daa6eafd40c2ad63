"""Where an image lies in the square that a network takes; its mask and boxes go the same way.

Proportions are kept, the image is centred and padded. numpy only: prediction needs it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Letterbox:
    """The place of a resized plane in a square.

    Attributes:
        size: edge of the square in pixels.
        shape: height and width of the plane once it is resized.
        offset: where it begins, down and across.
    """

    size: int
    shape: tuple[int, int]
    offset: tuple[int, int]

    @classmethod
    def of(cls, height: float, width: float, size: int) -> Self:
        """For a plane of these proportions."""
        factor = size / max(height, width)
        shape = (max(1, round(height * factor)), max(1, round(width * factor)))
        return cls(size, shape, ((size - shape[0]) // 2, (size - shape[1]) // 2))

    def mask(self, mask: NDArray[Any], *, fill: int = 0) -> NDArray[Any]:
        """A mask `[..., H, W]` in the square by its nearest pixels, with `fill` around it."""
        canvas = np.full((*mask.shape[:-2], self.size, self.size), fill, dtype=mask.dtype)
        sides = zip(mask.shape[-2:], self.shape, strict=True)
        rows, columns = (nearest(old, new) for old, new in sides)
        top, left = self.offset
        canvas[..., top : top + self.shape[0], left : left + self.shape[1]] = mask[
            ..., rows[:, None], columns
        ]
        return canvas

    def boxes(self, boxes: NDArray[Any], *, height: int, width: int) -> NDArray[np.float32]:
        """Boxes `[n, 4]` (x0, y0, x1, y1 in pixels of a plane `[height, width]`) in the square."""
        scale = np.array([self.shape[1] / width, self.shape[0] / height] * 2)
        offset = np.array([self.offset[1], self.offset[0]] * 2)
        moved: NDArray[np.float32] = (boxes * scale + offset).astype(np.float32)
        return moved


def nearest(before: int, after: int) -> NDArray[np.int64]:
    """Which of `before` places is nearest to each of `after`, both spread over the same length."""
    return ((np.arange(after) + 0.5) * before / after).astype(np.int64)
