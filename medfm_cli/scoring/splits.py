"""Which labelled images train, which select a model and which are tested."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.scoring.images import LabelledImages


@dataclass(frozen=True, eq=False)
class SplitIndices:
    """Indices of labelled images: `train` fits, `val` selects, `test` is only scored.

    Attributes:
        images: the labelled images that the indices refer to.
        train, val, test: int64 [m]; `val` and `test` may be empty.
    """

    images: LabelledImages
    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]

    def named(self) -> dict[str, NDArray[np.int64]]:
        """The splits that have images, by name."""
        indices = {"train": self.train, "val": self.val, "test": self.test}
        return {name: split for name, split in indices.items() if len(split)}

    def untrained_classes(self) -> list[str]:
        """The classes without a training image: they cannot be learned."""
        counts = self.images.counts(self.train)
        return [name for name, n in zip(self.images.classes, counts, strict=True) if not n]

    def trainable(self) -> bool:
        """Whether the training images have at least two classes."""
        return len(np.unique(self.images.truth[self.train])) > 1


def dataset_splits(images: LabelledImages) -> SplitIndices:
    """The dataset's own splits.

    Raises:
        DataError: the training split has images of fewer than two classes.
    """
    splits = SplitIndices(images, *(images.of_split(name) for name in ("train", "val", "test")))
    if not splits.trainable():
        classes = len(np.unique(images.truth[splits.train]))
        raise DataError(
            f"the training split has labelled images of {classes} "
            f"class{'es' if classes != 1 else ''} only; a classifier needs at least two",
            hint="curate with more subjects per class or with another split",
        )
    return splits


def check_subjects(splits: SplitIndices) -> None:
    """See that no subject is in two splits.

    Raises:
        DataError: one is.
    """
    subjects = {
        name: {splits.images.subjects[index] for index in split}
        for name, split in splits.named().items()
    }
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        if shared := subjects.get(one, set()) & subjects.get(other, set()):
            raise DataError(
                f"{len(shared)} subject{'s are' if len(shared) > 1 else ' is'} in both {one} and "
                f"{other}: the scores would be too high",
                hint="curate again: its splits keep all samples of a subject together",
            )
