"""Where parts of a sample lie: rectangles in an image, and evenly spaced frames."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A labelled rectangle in pixels: left, top, right, bottom (the last two outside)."""

    label: str
    x0: float
    y0: float
    x1: float
    y1: float


def evenly(count: int, limit: int) -> list[int]:
    """Up to `limit` of `count` numbers from 0, evenly spaced, both ends included."""
    if count <= limit:
        return list(range(count))
    if limit == 1:
        return [count // 2]
    return [round(i * (count - 1) / (limit - 1)) for i in range(limit)]
