"""What a reader yields, what it is asked for, and how it refuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import DataError

MAX_PIXELS = 100_000_000
"""Most pixels of one image; a larger one is refused before its pixels are decoded."""


class Unreadable(DataError):
    """A file that gives no image; `reason` says why in a few words and names no patient.

    `step` is `read` when the file could not be understood, `quality` when it was and is no image.
    """

    def __init__(self, reason: str, *, step: str = "read") -> None:
        super().__init__(reason)
        self.reason = reason
        self.step = step

    def __reduce__(self) -> tuple[Any, ...]:
        return _unreadable, (self.reason, self.step)


def _unreadable(reason: str, step: str) -> Unreadable:
    return Unreadable(reason, step=step)


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How much to take from one file.

    Attributes:
        frames: most frames of a multi-frame file, evenly spaced.
        slices: most slices of a volume, spread over its central half.
        max_pixels: most pixels of one image.
        items: first and one past the last item, for files that hold thousands of images.
    """

    frames: int = 4
    slices: int = 8
    max_pixels: int = MAX_PIXELS
    items: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a file.

    Attributes:
        pixels: uint8 `[H, W]` or `[H, W, 3]`, as a person would see it on a screen.
        facts: small acquisition facts; nothing that names a person.
        subject: the patient's identifier as written in the file: private, never stored as it is.
        study: the study's identifier as written in the file: private too.
        site: the institution as written in the file: private too.
        modality: a name of `modalities.MODALITIES`, or empty.
        anatomy: the body part, lower case, or empty.
        frame: number of the frame or slice in its file, from 0.
        part: where in a collection file the image lies, such as `train/12`.
        label, labels, split: what the file itself says of the image, if it does.
        notes: remarks for the report.
    """

    pixels: NDArray[np.uint8]
    facts: dict[str, Any] = field(default_factory=dict)
    subject: str | None = None
    study: str | None = None
    site: str | None = None
    modality: str = ""
    anatomy: str = ""
    frame: int = 0
    part: str = ""
    label: str | None = None
    labels: list[str] | None = None
    split: str | None = None
    notes: tuple[str, ...] = ()


def evenly(count: int, limit: int) -> list[int]:
    """Up to `limit` of `count` numbers from 0, evenly spaced, both ends included."""
    if count <= limit:
        return list(range(count))
    if limit == 1:
        return [count // 2]
    return [round(i * (count - 1) / (limit - 1)) for i in range(limit)]
