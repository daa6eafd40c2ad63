"""The three parts of the data, and what may not be wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.scoring.images import LabelledImages


@dataclass(frozen=True, eq=False)
class Parts:
    """The labelled images by split: `train` learns, `val` chooses, `test` is only scored.

    `val` and `test` may be empty.
    """

    images: LabelledImages
    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]

    def named(self) -> dict[str, NDArray[np.int64]]:
        """The parts that have images, by name."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return {name: part for name, part in parts.items() if len(part)}

    def without_training(self) -> list[str]:
        """The classes that no training image has: they cannot be learnt."""
        counts = self.images.counts(self.train)
        return [name for name, n in zip(self.images.classes, counts, strict=True) if not n]


def split_parts(images: LabelledImages) -> Parts:
    """Split the labelled images as the dataset says.

    Raises:
        DataError: the training split has no two classes, or a subject is in two splits.
    """
    parts = Parts(images, *(images.of_split(name) for name in ("train", "val", "test")))
    there = sum(1 for count in images.counts(parts.train) if count)
    if there < 2:
        raise DataError(
            f"the training split has labelled images of {there} "
            f"class{'es' if there != 1 else ''} only, and learning to tell apart needs two",
            hint="curate with more subjects a class or with another split",
        )
    _check_subjects(parts)
    return parts


def _check_subjects(parts: Parts) -> None:
    owners = {
        name: {parts.images.subjects[index] for index in part}
        for name, part in parts.named().items()
    }
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        if shared := owners.get(one, set()) & owners.get(other, set()):
            raise DataError(
                f"{len(shared)} subject{'s are' if len(shared) > 1 else ' is'} both in {one} and "
                f"in {other}, so that scores would be too good",
                hint="curate again: its splits keep every subject together",
            )
