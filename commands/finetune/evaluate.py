"""Scores of a trained classifier on each split, and thresholds selected on validation images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medfm_cli.metrics import Cases, Estimate, class_thresholds, estimate
from medfm_cli.models.config import OperatingPoint
from medfm_cli.scoring.predictions import FILE, Predictions, write_predictions
from medfm_cli.scoring.tables import ALL
from medfm_cli.training.features import best_device, class_probabilities

if TYPE_CHECKING:
    from medfm_cli.commands.finetune.trained import TrainedClassifier
    from medfm_cli.data import Dataset
    from medfm_cli.data.preprocess import Preprocessing
    from medfm_cli.runs import Run
    from medfm_cli.scoring.splits import SplitIndices


@dataclass(frozen=True)
class EvaluationResult:
    """The scores of a classifier on the splits of a dataset.

    Attributes:
        cases: scored images of "train", "val" and "test", without empty splits.
        scores: the metrics of each split.
        operating_points: one threshold per class (two classes: of class 1), from val.
        without_threshold: classes for which val gives no threshold.
    """

    cases: dict[str, Cases]
    scores: dict[str, dict[str, Estimate]]
    operating_points: list[OperatingPoint]
    without_threshold: list[str]

    @property
    def main(self) -> str:
        """The split whose scores are reported first: test, else val, else train."""
        return next(name for name in ("test", "val", "train") if name in self.cases)

    def metrics(self) -> dict[str, Any]:
        """JSON values."""
        values: dict[str, Any] = {
            split: {name: each.to_json() for name, each in scores.items()}
            for split, scores in self.scores.items()
        }
        points = [point.model_dump(mode="json") for point in self.operating_points]
        return {**values, "operating_points": points}


def evaluate(
    trained: TrainedClassifier,
    dataset: Dataset,
    splits: SplitIndices,
    *,
    preprocessing: Preprocessing,
    draws: int,
    seed: int,
    run: Run,
) -> EvaluationResult:
    """Score every split by image (tiles averaged) and write predictions.parquet."""
    images = splits.images
    by_sample = trained.probabilities
    if by_sample is None:
        classifier = trained.classifier.to(best_device())
        by_sample = class_probabilities(
            classifier, dataset, images.rows, preprocessing=preprocessing, run=run
        )
        classifier.cpu()
    predictions = []
    cases: dict[str, Cases] = {}
    for name, split in splits.named().items():
        probabilities = images.average(split, by_sample[images.samples(split)])
        cases[name] = images.cases(split, probabilities)
        predictions.append(Predictions("model", name, split, probabilities))
    write_predictions(run.path(FILE), images, predictions)
    scores = {name: estimate(each, ALL, draws=draws, seed=seed) for name, each in cases.items()}
    points, without_threshold = _operating_points(cases.get("val"), images.classes)
    return EvaluationResult(cases, scores, points, without_threshold)


def _operating_points(
    val: Cases | None, classes: tuple[str, ...]
) -> tuple[list[OperatingPoint], list[str]]:
    """Thresholds by the highest MCC on validation images, and the classes without one."""
    if val is None:
        return [], list(classes[1:]) if len(classes) == 2 else list(classes)
    # A threshold that is not better than chance on validation images is not used.
    thresholds = {n: t if t and t.mcc > 0 else None for n, t in class_thresholds(val).items()}
    points = [
        OperatingPoint(label=name, threshold=each.value, value=each.mcc, n=val.n)
        for name, each in thresholds.items()
        if each is not None
    ]
    return points, [name for name, each in thresholds.items() if each is None]
