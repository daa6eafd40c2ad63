"""Evaluating frozen features on labelled samples: k-NN and a linear probe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medfm_cli.commands.pretrain.inputs.inspect import evenly_spaced
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

    from medfm_cli.commands.pretrain.monitor_options import Monitor
    from medfm_cli.commands.pretrain.objectives.base import Objective
    from medfm_cli.data.inputs import AnyInput
    from medfm_cli.data.loader import Loader
    from medfm_cli.metrics import Cases

    Features = NDArray[np.float32]

METHODS = {"knn": "k-NN", "linear": "linear probe"}
METRICS = ("auc", "balanced_accuracy", "accuracy")
BEFORE, AFTER = "random weights", "pretrained"


@dataclass(eq=False)
class FeatureEvaluator:
    """Predicts the labels of query images from the features of reference images.

    Attributes:
        images: the labelled images of the dataset.
        reference, query: which of them, int64.
        neighbours: k.
    """

    dataset: Dataset
    images: LabelledImages
    reference: NDArray[np.int64]
    query: NDArray[np.int64]
    neighbours: int
    seed: int
    _kept: Loader | None = None

    def cases(self, task: Objective) -> dict[str, Cases]:
        """The scored query images of each method; the task is in evaluation mode."""
        images, reference = self.images, self._samples[0]
        features = forward(task.encoder, self._loader(task.preprocessing), task.preprocessing)
        reference_features, query_features = features[: len(reference)], features[len(reference) :]
        labels = images.truth[images.image[reference]]
        probabilities = {"knn": self._neighbours(reference_features, labels, query_features)}
        probabilities["linear"] = self._linear(reference_features, labels, query_features)
        return {
            method: images.cases(self.query, images.average(self.query, each))
            for method, each in probabilities.items()
        }

    def _neighbours(
        self, reference_features: Features, labels: NDArray[np.int64], query_features: Features
    ) -> NDArray[np.float64]:
        classes = len(self.images.classes)
        return neighbour_probabilities(
            reference_features, labels, query_features, classes=classes, neighbours=self.neighbours
        )

    def _linear(
        self, reference_features: Features, labels: NDArray[np.int64], query_features: Features
    ) -> NDArray[np.float64]:
        weights = self.images.weights(self.reference, balanced=True)
        probe = fit_probe(
            Labelled(reference_features, labels, weights),
            ProbeKeys(rule="logistic"),
            classes=len(self.images.classes),
            seed=self.seed,
        )
        return probe.probabilities(query_features)

    @property
    def _samples(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return self.images.samples(self.reference), self.images.samples(self.query)

    def _loader(self, preprocessing: AnyInput) -> Loader:
        """The reference and then the query samples, kept in memory between evaluations."""
        if self._kept is None:
            rows = self.images.rows[np.concatenate(self._samples)]
            self._kept = in_order(self.dataset, rows, preprocessing=preprocessing, cache="auto")
        return self._kept


def load_feature_evaluator(
    monitor: Monitor, dataset: Dataset, *, seed: int, kind: str | None = "image"
) -> FeatureEvaluator | None:
    """Open the labelled data of the recipe; None without `monitor.data`.

    Raises:
        DataError: it has no single labels, or none in the training or the validation split.
    """
    if monitor.data is None:
        return None
    named = dataset if monitor.data == SAME else Dataset.open(monitor.data)
    images = labelled_images(named, kind=kind)
    reference, query = (
        evenly_spaced(images.of_split(split), monitor.most) for split in ("train", "val")
    )
    for split, part in (("train", reference), ("val", query)):
        if len(np.unique(images.truth[part])) < 2:
            raise DataError(
                f"the labels of '{named.card.name}' (monitor.data) have fewer than two classes in "
                f"the split {split}",
                hint="curate it with a larger split, or leave monitor.data out",
            )
    return FeatureEvaluator(named, images, reference, query, monitor.neighbours, seed)


@dataclass(frozen=True)
class ProbeComparison:
    """The scores of an encoder beside those of its initial weights.

    Attributes:
        comparisons: of both encoders on the same images, by method or task.
        part: the split that was scored.
        start: the name of the initial weights.
    """

    comparisons: dict[str, Comparison]
    part: str = "val"
    start: str = BEFORE

    def difference(self, method: str, metric: str) -> Difference:
        """Pretrained less the start, paired."""
        return self.comparisons[method].difference(AFTER, BEFORE, metric)

    def metrics(self) -> dict[str, Any]:
        """JSON values."""
        return {
            method: {
                metric: {
                    "pretrained": compared.estimate(AFTER, metric).to_json(),
                    "random": compared.estimate(BEFORE, metric).to_json(),
                    "gain": self.difference(method, metric).to_json(),
                }
                for metric in METRICS
            }
            for method, compared in self.comparisons.items()
        }


def compare(
    before: Mapping[str, Cases],
    after: Mapping[str, Cases],
    *,
    part: str = "val",
    start: str = BEFORE,
) -> ProbeComparison:
    """Compare both encoders on the same images."""
    return ProbeComparison(
        {
            method: Comparison({BEFORE: before[method], AFTER: after[method]}, metrics=METRICS)
            for method in after
        },
        part,
        start,
    )
