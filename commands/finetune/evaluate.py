"""Scores of a trained classifier on each split, and the thresholds that validation suggests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medfm_cli.metrics import Cases, Estimate, class_thresholds, estimate
from medfm_cli.models.config import OperatingPoint
from medfm_cli.scoring.predictions import FILE, Predictions, write_predictions
from medfm_cli.scoring.tables import ALL
from medfm_cli.training.features import best_device, class_probabilities

if TYPE_CHECKING:
    from medfm_cli.commands.finetune.splits import Parts
    from medfm_cli.commands.finetune.trained import Trained
    from medfm_cli.data import Dataset
    from medfm_cli.data.preprocess import Preprocessing
    from medfm_cli.runs import Run


@dataclass(frozen=True)
class Judgement:
    """What a classifier does on the parts of the data.

    Attributes:
        cases: scored images of "train", "val" and "test", where there are any.
        scores: the estimates of each.
        points: one threshold a class (two classes: of class 1), from val.
        without_point: classes for which val gives no threshold.
    """

    cases: dict[str, Cases]
    scores: dict[str, dict[str, Estimate]]
    points: list[OperatingPoint]
    without_point: list[str]

    @property
    def main(self) -> str:
        """The part to be judged by: test where there is one."""
        return next(name for name in ("test", "val", "train") if name in self.cases)

    def metrics(self) -> dict[str, Any]:
        """JSON values."""
        values: dict[str, Any] = {
            part: {name: each.to_json() for name, each in scores.items()}
            for part, scores in self.scores.items()
        }
        points = [point.model_dump(mode="json") for point in self.points]
        return {**values, "operating_points": points}


def judge(
    trained: Trained,
    dataset: Dataset,
    parts: Parts,
    *,
    preprocessing: Preprocessing,
    draws: int,
    seed: int,
    run: Run,
) -> Judgement:
    """Score every part per image (tiles averaged) and write predictions.parquet."""
    images = parts.images
    found = trained.probabilities
    if found is None:
        classifier = trained.classifier.to(best_device())
        found = class_probabilities(
            classifier, dataset, images.rows, preprocessing=preprocessing, run=run
        )
        classifier.cpu()
    predictions = []
    cases: dict[str, Cases] = {}
    for name, part in parts.named().items():
        probabilities = images.average(part, found[images.samples(part)])
        cases[name] = images.cases(part, probabilities)
        predictions.append(Predictions("model", name, part, probabilities))
    write_predictions(run.path(FILE), images, predictions)
    scores = {name: estimate(each, ALL, draws=draws, seed=seed) for name, each in cases.items()}
    points, without = _operating_points(cases.get("val"), images.classes)
    return Judgement(cases, scores, points, without)


def _operating_points(
    val: Cases | None, classes: tuple[str, ...]
) -> tuple[list[OperatingPoint], list[str]]:
    """Thresholds by the highest MCC on validation images, and the classes without one."""
    scored = list(classes[1:]) if len(classes) == 2 else list(classes)
    if val is None:
        return [], scored
    # A threshold that is no better than chance on validation is none.
    found = {n: t if t and t.mcc > 0 else None for n, t in class_thresholds(val).items()}
    points = [
        OperatingPoint(label=name, threshold=each.value, value=each.mcc, n=val.n)
        for name, each in found.items()
        if each is not None
    ]
    return points, [name for name, each in found.items() if each is None]
