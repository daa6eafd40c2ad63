"""Labelled samples on which an encoder is judged as it is: by neighbours and a linear probe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medfm_cli.commands.pretrain.monitor_options import SAME
from medfm_cli.data import Dataset
from medfm_cli.errors import DataError
from medfm_cli.metrics import Comparison, Difference
from medfm_cli.scoring.images import LabelledImages, labelled_images
from medfm_cli.training.features import forward, in_order
from medfm_cli.training.neighbours import neighbour_probabilities
from medfm_cli.training.probe import Labelled, fit_probe
from medfm_cli.training.probing import ProbeKeys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.monitor_options import Watch
    from medfm_cli.commands.pretrain.objectives.base import Objective
    from medfm_cli.data.inputs import AnyInput
    from medfm_cli.data.loader import Loader
    from medfm_cli.metrics import Cases

    Features = NDArray[np.float32]

WAYS = {"knn": "nearest neighbours", "linear": "linear probe"}
METRICS = ("auc", "balanced_accuracy", "accuracy")
BEFORE, AFTER = "random weights", "pretrained"


@dataclass(eq=False)
class Judge:
    """Features of a bank with labels answer for images that are asked.

    Attributes:
        images: the labelled images of the dataset.
        bank, asked: which of them, int64.
        neighbours: k.
    """

    dataset: Dataset
    images: LabelledImages
    bank: NDArray[np.int64]
    asked: NDArray[np.int64]
    neighbours: int
    seed: int
    _kept: Loader | None = None

    def cases(self, task: Objective) -> dict[str, Cases]:
        """What both ways say of the images that are asked; the task is in evaluation mode."""
        images, bank = self.images, self._samples[0]
        features = forward(task.encoder, self._loader(task.preprocessing), task.preprocessing)
        known, wanted = features[: len(bank)], features[len(bank) :]
        labels = images.truth[images.image[bank]]
        said = {"knn": self._neighbours(known, labels, wanted)}
        said["linear"] = self._linear(known, labels, wanted)
        return {
            way: images.cases(self.asked, images.average(self.asked, each))
            for way, each in said.items()
        }

    def _neighbours(
        self, known: Features, labels: NDArray[np.int64], wanted: Features
    ) -> NDArray[np.float64]:
        classes = len(self.images.classes)
        return neighbour_probabilities(
            known, labels, wanted, classes=classes, neighbours=self.neighbours
        )

    def _linear(
        self, known: Features, labels: NDArray[np.int64], wanted: Features
    ) -> NDArray[np.float64]:
        weights = self.images.weights(self.bank, balanced=True)
        probe = fit_probe(
            Labelled(known, labels, weights),
            ProbeKeys(rule="logistic"),
            classes=len(self.images.classes),
            seed=self.seed,
        )
        return probe.probabilities(wanted)

    @property
    def _samples(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return self.images.samples(self.bank), self.images.samples(self.asked)

    def _loader(self, preprocessing: AnyInput) -> Loader:
        """The bank and then what is asked, kept in memory from one look to the next."""
        if self._kept is None:
            rows = self.images.rows[np.concatenate(self._samples)]
            self._kept = in_order(self.dataset, rows, preprocessing=preprocessing, cache="auto")
        return self._kept


def open_judge(
    watch: Watch, dataset: Dataset, *, seed: int, kind: str | None = "image"
) -> Judge | None:
    """Open the labelled data that the recipe names; None where it names none.

    Raises:
        DataError: it has no single labels, or none in the training or the validation split.
    """
    if watch.data is None:
        return None
    named = dataset if watch.data == SAME else Dataset.open(watch.data)
    images = labelled_images(named, kind=kind)
    bank, asked = (_thin(images.of_split(split), watch.most) for split in ("train", "val"))
    for split, part in (("train", bank), ("val", asked)):
        if len(np.unique(images.truth[part])) < 2:
            raise DataError(
                f"the labels of '{named.card.name}' (watch.data) are of fewer than two classes in "
                f"the split {split}",
                hint="curate it with a larger split, or leave watch.data out",
            )
    return Judge(named, images, bank, asked, watch.neighbours, seed)


@dataclass(frozen=True)
class Verdict:
    """What the labelled images say of the encoder beside its start.

    Attributes:
        judged: the comparison of both on the same images, by way.
        part: the split that was asked.
        start: what the encoder is called that training began with.
    """

    judged: dict[str, Comparison]
    part: str = "val"
    start: str = BEFORE

    def difference(self, way: str, metric: str) -> Difference:
        """Pretrained less the start, paired."""
        return self.judged[way].difference(AFTER, BEFORE, metric)

    def metrics(self) -> dict[str, Any]:
        """JSON values."""
        return {
            way: {
                metric: {
                    "pretrained": compared.estimate(AFTER, metric).to_json(),
                    "random": compared.estimate(BEFORE, metric).to_json(),
                    "gain": self.difference(way, metric).to_json(),
                }
                for metric in METRICS
            }
            for way, compared in self.judged.items()
        }


def compare(
    before: Mapping[str, Cases],
    after: Mapping[str, Cases],
    *,
    part: str = "val",
    start: str = BEFORE,
) -> Verdict:
    """Set both encoders side by side on the same images."""
    return Verdict(
        {
            way: Comparison({BEFORE: before[way], AFTER: after[way]}, metrics=METRICS)
            for way in after
        },
        part,
        start,
    )


def _thin(images: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most `most` of the images, evenly spaced."""
    if len(images) <= most:
        return images
    return images[np.linspace(0, len(images) - 1, most).round().astype(np.int64)]
