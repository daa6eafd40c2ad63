"""What a reader yields, its options, and how it refuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable
from medfm_cli.samples.attributes import Attributes
from medfm_cli.samples.content import Content, Image2D
from medfm_cli.samples.parts import Box, evenly

__all__ = ["MAX_PIXELS", "MAX_VALUES", "Box", "Item", "ReadOptions", "Turn", "evenly"]

MAX_PIXELS = 100_000_000
"""Most pixels of one image; a larger one is refused before its pixels are decoded."""
MAX_VALUES = 1_000_000_000
"""Most numbers of one volume, video or signal."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How much to take from one file, and what a recipe says of its format.

    Attributes:
        frames: most frames of a multi-frame image file, evenly spaced, when taken as images.
        slices: most slices of a volume, spread over its central half, when taken as images.
        max_pixels: most pixels of one image.
        items: first and one past the last item, for files that hold thousands of images.
        whole: volumes stay volumes and videos stay videos instead of being taken as images.
        clip: most frames of a video that stays one.
        max_values: most numbers of one volume, video or signal.
        format: what only one reader understands, by its own names: `rate`, `channels` and `units`
            of signals in CSV or `.npy`; `groups` of an ICU table; `text`, `question`, `answer`
            columns; …
    """

    frames: int = 4
    slices: int = 8
    max_pixels: int = MAX_PIXELS
    items: tuple[int, int] | None = None
    whole: bool = False
    clip: int = 32
    max_values: int = MAX_VALUES
    format: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """A question about a sample and its answer, with what the source says of it (`facts`)."""

    question: str
    answer: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item(Attributes):
    """One sample of a file, with what the file itself says of it (`Attributes`, unresolved).

    Attributes:
        content: the sample itself.
        facts: small acquisition facts; nothing that names a person.
        subject: the patient's identifier as written in the file: private, never stored as it is.
        study: the study's identifier as written in the file: private too.
        site: the institution as written in the file: private too.
        frame: number of the frame or slice in its file, from 0.
        part: where in a collection file the sample lies, such as `train/12`.
        split: what the file itself says of the sample, if it does.
        notes: remarks for the report.
        time: when it was acquired, ISO 8601, as written in the file: private, stored shifted.
        text: a report or caption that belongs to the sample: private until de-identified.
        turns: questions about it and their answers.
        boxes: labelled rectangles in an image.
        mask: a segmentation of an image `[H, W]` or volume `[D, H, W]`, uint8 or uint16, 0 for
            background.
        images: further images of an interleaved document; its text says `<image>` where each
            one stands, the first being `content`.
    """

    content: Content
    facts: dict[str, Any] = field(default_factory=dict)
    subject: str | None = None
    study: str | None = None
    site: str | None = None
    frame: int = 0
    part: str = ""
    split: str | None = None
    notes: tuple[str, ...] = ()
    time: str | None = None
    text: str = ""
    turns: tuple[Turn, ...] = ()
    boxes: tuple[Box, ...] = ()
    mask: NDArray[Any] | None = None
    pictures: tuple[Image2D, ...] = ()

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The pixels of an item that is an image.

        Raises:
            Unreadable: it is something else.
        """
        if not isinstance(self.content, Image2D):
            raise Unreadable(f"not an image: {self.content.kind}", step="quality")
        return self.content.pixels
