"""The labelled rectangles of images, in the pixels of the network's input."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray

from medfm_cli.data.batch import Ragged
from medfm_cli.data.collators.base import Allocate, Shape, Tensors
from medfm_cli.data.letterbox import Letterbox
from medfm_cli.errors import DataError

if TYPE_CHECKING:
    from medfm_cli.data.concat import AnyDataset
    from medfm_cli.data.preprocess import Preprocessing


@dataclass(frozen=True, kw_only=True)
class BoxCollator:
    """`boxes` float32 `[n, 4]` of every image and `box_classes` int64 `[n]`, both ragged.

    A box is x0, y0, x1, y1 in pixels of the fitted image, edges included on the left and excluded
    on the right: the whole image is 0, 0, S, S. All boxes are in memory: they are few numbers.

    Attributes:
        classes: what the numbers in `box_classes` are indices into.
        boxes: of all positions, one after the other.
        labels: of each box, the index of its class.
        offsets: `[N + 1]`, where each position's boxes begin.
    """

    classes: tuple[str, ...]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    offsets: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        dataset: AnyDataset,
        rows: NDArray[np.int64],
        preprocessing: Preprocessing,
        *,
        classes: Sequence[str] | None = None,
    ) -> Self:
        """The boxes of the rows of a dataset.

        Args:
            dataset: one or several.
            rows: of the images, by position.
            preprocessing: how they are fitted.
            classes: of the boxes; without, those of these rows by name.

        Raises:
            DataError: a box is of none of the classes.
        """
        table = dataset.samples.select(["boxes", "height", "width"]).take(rows)
        stored = [json.loads(text or "[]") for text in table.column("boxes").to_pylist()]
        sides = zip(*(table.column(side).to_pylist() for side in ("height", "width")), strict=True)
        names = classes or sorted({box[0] for boxes in stored for box in boxes})
        numbers = {name: number for number, name in enumerate(names)}
        if unknown := {box[0] for boxes in stored for box in boxes} - set(numbers):
            raise DataError(f"there are boxes of {min(unknown)!r}, which is none of the classes")
        moved = [
            _fitted(boxes, height, width, preprocessing.size)
            for boxes, (height, width) in zip(stored, sides, strict=True)
        ]
        return cls(
            classes=tuple(names),
            boxes=np.concatenate([np.zeros((0, 4), np.float32), *moved]),
            labels=np.array([numbers[box[0]] for boxes in stored for box in boxes], np.int64),
            offsets=np.cumsum([0, *(len(boxes) for boxes in stored)]),
        )

    @property
    def groups(self) -> NDArray[np.int64]:
        """One: images with any number of boxes share a batch."""
        return np.zeros(len(self.offsets) - 1, dtype=np.int64)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Of a box."""
        return ((4,),)

    @property
    def nbytes(self) -> int:
        """Nothing more than what is in memory already."""
        return 0

    @property
    def largest(self) -> int:
        """Bytes of the image with the most boxes."""
        most = int(np.diff(self.offsets).max(initial=0))
        return most * (4 * self.boxes.itemsize + self.labels.itemsize)

    def collate(self, positions: NDArray[np.int64], allocate: Allocate) -> Tensors:
        """`boxes` and `box_classes` of these positions."""
        del allocate
        places = [slice(*self.offsets[position : position + 2]) for position in positions.tolist()]
        offsets = np.cumsum([0, *(len(self.labels[place]) for place in places)])
        boxes = [np.zeros((0, 4), np.float32), *(self.boxes[place] for place in places)]
        labels = [np.zeros(0, np.int64), *(self.labels[place] for place in places)]
        return {
            "boxes": Ragged(torch.from_numpy(np.concatenate(boxes)), torch.from_numpy(offsets)),
            "box_classes": Ragged(
                torch.from_numpy(np.concatenate(labels)), torch.from_numpy(offsets)
            ),
        }

    def cached(self, *, threads: int = 1) -> Self:
        """Itself: it is in memory."""
        del threads
        return self


def _fitted(boxes: list[list[object]], height: int, width: int, size: int) -> NDArray[np.float32]:
    places = np.array([box[1:] for box in boxes], dtype=np.float64).reshape(-1, 4)
    letterbox = Letterbox.of(height, width, size)
    return letterbox.boxes(places, height=height, width=width)
