"""The labelled images of a dataset, the unit of scoring, whether tiled or not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.errors import DataError
from medfm_cli.metrics import Cases, codes, make_cases

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.data import Dataset


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images with a single label, and their samples (tiles).

    Attributes:
        rows: int64 [N], the manifest rows of the labelled samples.
        image: int64 [N], the image of each row, 0 … M−1.
        ids, subjects, splits: one entry per image, [M].
        truth: int64 [M], the class of each image.
        classes: the names of the K classes.
    """

    rows: NDArray[np.int64]
    image: NDArray[np.int64]
    ids: list[str]
    subjects: list[str]
    splits: list[str]
    truth: NDArray[np.int64]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def of_split(self, *names: str) -> NDArray[np.int64]:
        """The images of some splits, int64 [m]."""
        return np.flatnonzero(np.isin(np.asarray(self.splits, dtype=object), names))

    def samples(self, images: NDArray[np.int64]) -> NDArray[np.int64]:
        """The positions in `rows` of the samples of some images, int64 [n]."""
        return np.flatnonzero(np.isin(self.image, images))

    def counts(self, images: NDArray[np.int64] | None = None) -> list[int]:
        """The number of images of each class, of all or of some images, [K]."""
        truth = self.truth if images is None else self.truth[images]
        return [int(n) for n in np.bincount(truth, minlength=len(self.classes))]

    def n_subjects(self, images: NDArray[np.int64]) -> int:
        """The number of subjects of some images."""
        return len({self.subjects[index] for index in images})

    def weights(self, images: NDArray[np.int64], *, balanced: bool) -> NDArray[np.float32]:
        """The weight of each sample of some images in a training loss, float32 [n], mean 1.

        All images have the same weight, whatever their number of tiles; with `balanced`, all
        classes have the same weight too.
        """
        of = self.image[self.samples(images)]
        weight = 1.0 / np.bincount(self.image, minlength=len(self))[of]
        if balanced:
            weight = weight / np.maximum(1, self.counts(images))[self.truth[of]]
        scaled: NDArray[np.float64] = weight / weight.mean()
        return scaled.astype(np.float32)

    def average(
        self, images: NDArray[np.int64], probabilities: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Average the probabilities of samples [n,K] over tiles, to images [m,K]."""
        of = np.searchsorted(images, self.image[self.samples(images)])
        total = np.zeros((len(images), probabilities.shape[1]))
        np.add.at(total, of, probabilities)
        mean: NDArray[np.float64] = total / np.bincount(of, minlength=len(images))[:, None]
        return mean

    def cases(self, images: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Cases:
        """Scored cases of some images from their probabilities [m,K]."""
        return make_cases(
            self.truth[images],
            probabilities,
            subjects=[self.subjects[index] for index in images],
            classes=self.classes,
        )


def labelled_images(dataset: Dataset, *, kind: str | None = "image") -> LabelledImages:
    """Group the labelled samples of a dataset by image (or volume, signal, … of `kind`).

    Raises:
        DataError: the dataset has no single labels, or images of one class only.
    """
    check_labels(dataset)
    rows = dataset.rows(labelled=True, kind=kind)
    names = _picked(dataset.column("image_id"), rows)
    image = codes(names)
    _, first = np.unique(image, return_index=True)
    labels = dataset.labels()[rows]
    if len(np.unique(labels)) < 2:
        only = dataset.classes[int(labels[0])] if len(labels) else "none"
        raise DataError(
            f"the labelled images of dataset '{dataset.card.name}' are all of one class ({only}); "
            "a classifier needs at least two classes",
            hint="curate with labels of at least two classes",
        )
    return LabelledImages(
        rows=rows,
        image=image,
        ids=[names[index] for index in first],
        subjects=_picked(dataset.column("subject_id"), rows[first]),
        splits=_picked(dataset.column("split"), rows[first]),
        truth=labels[first],
        classes=tuple(dataset.classes),
    )


def check_labels(dataset: Dataset) -> None:
    """Check that the dataset has single labels for classification.

    Raises:
        DataError: it is not.
    """
    kind = dataset.card.label_schema.kind
    if kind == "none":
        raise DataError(
            f"dataset '{dataset.card.name}' has no labels",
            hint="curate it with labels=… (a csv, or labels=folder)",
        )
    if kind != "single":
        raise DataError(
            f"dataset '{dataset.card.name}' has several labels per image; "
            "only one label per image is supported so far"
        )


def _picked(values: list[str], rows: Iterable[int]) -> list[str]:
    return [values[int(row)] for row in rows]
