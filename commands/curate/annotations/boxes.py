"""Boxes as they are written, and as they must be: inside of the image."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from medfm_cli.readers.item import Box

ASPECT = 0.01
"""Sides of the annotated size and of the image are in one ratio up to this share."""
MOST = 100_000
"""Most boxes of one image."""
CLIPPED = "boxes clipped to the image"
OUTSIDE = "boxes outside of the image left out"
SCALED = "boxes scaled to the size of the image"
RESIZED = "boxes for an image of another shape left out"


@dataclass
class Fitted:
    """The boxes that lie in the image, and how many were changed or left out, by what."""

    boxes: list[Box] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, number: int = 1) -> None:
        """Count something."""
        self.counts[what] = self.counts.get(what, 0) + number


def fit(boxes: Iterable[Box], height: int, width: int, size: tuple[float, float] | None) -> Fitted:
    """Boxes in the pixels of the image, each clipped to it; those outside are left out.

    Args:
        boxes: as they are written.
        height, width: of the image.
        size: width and height of the image that was annotated, where the file says them.
    """
    fitted = Fitted()
    ratio = _ratio(size, height, width)
    for box in boxes:
        if ratio is None or len(fitted.boxes) >= MOST:
            fitted.add(RESIZED if ratio is None else OUTSIDE)
            continue
        sides = [value * ratio for value in (box.x0, box.y0, box.x1, box.y1)]
        if not all(map(math.isfinite, sides)):
            fitted.add(OUTSIDE)
            continue
        x0, y0, x1, y1 = (
            min(max(value, 0.0), float(most))
            for value, most in zip(sides, (width, height, width, height), strict=True)
        )
        if x1 <= x0 or y1 <= y0:
            fitted.add(OUTSIDE)
            continue
        if [x0, y0, x1, y1] != sides:
            fitted.add(CLIPPED)
        if ratio != 1:
            fitted.add(SCALED)
        fitted.boxes.append(Box(box.label, x0, y0, x1, y1))
    return fitted


def _ratio(size: tuple[float, float] | None, height: int, width: int) -> float | None:
    """What coordinates are multiplied by; None for an image of another shape."""
    if size is None or not (size[0] > 0 and size[1] > 0) or size == (width, height):
        return 1.0
    across, down = width / size[0], height / size[1]
    return across if abs(across / down - 1) <= ASPECT else None
