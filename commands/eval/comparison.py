"""Evaluate all methods on the same images: probabilities, scores and paired differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medfm_cli.metrics import Cases, Comparison, Difference, Estimate
from medfm_cli.scoring.predictions import Predictions
from medfm_cli.scoring.tables import ALL, MAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medfm_cli.commands.eval.methods.base import Method
    from medfm_cli.commands.eval.protocol import ResamplingPlan
    from medfm_cli.runs import Run
    from medfm_cli.scoring.images import LabelledImages


@dataclass(frozen=True, eq=False)
class ComparisonResult:
    """The methods evaluated under one resampling plan.

    Attributes:
        plan: the splits that were used.
        methods: models first, then baselines.
        probabilities: by method, float64 [m,K], rows as `plan.tested`.
        cases: by method.
        comparison: scores and differences on shared bootstrap draws.
    """

    plan: ResamplingPlan
    methods: list[Method]
    probabilities: dict[str, NDArray[np.float64]]
    cases: dict[str, Cases]
    comparison: Comparison

    @property
    def main(self) -> str:
        """The first model: the report analyses its errors."""
        return self.methods[0].name

    @property
    def models(self) -> list[str]:
        """The names of the models."""
        return [method.name for method in self.methods if method.role == "model"]

    @property
    def baselines(self) -> list[str]:
        """The names of the baselines."""
        return [method.name for method in self.methods if method.role == "baseline"]

    def scores(self) -> dict[str, dict[str, Estimate]]:
        """Every metric of every method."""
        return {
            method.name: {name: self.comparison.estimate(method.name, name) for name in ALL}
            for method in self.methods
        }

    def differences(self) -> list[Difference]:
        """Every model compared with every baseline and with the first model."""
        pairs = [(model, other) for model in self.models for other in self.baselines]
        pairs += [(model, self.main) for model in self.models[1:]]
        return [
            self.comparison.difference(model, other, metric)
            for model, other in pairs
            for metric in MAIN
        ]

    def predictions(self) -> list[Predictions]:
        """For predictions.parquet."""
        part = "test" if self.plan.folds is None else "cross-validation"
        folds = self.plan.fold_of_tested()
        return [
            Predictions(name, part, self.plan.tested, probabilities, folds)
            for name, probabilities in self.probabilities.items()
        ]

    def metrics(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "protocol": self.plan.name,
            "folds": self.plan.folds.count if self.plan.folds else None,
            "images": len(self.plan.tested),
            "subjects": self.cases[self.main].n_subjects,
            "scores": {
                method: {name: each.to_json() for name, each in scores.items()}
                for method, scores in self.scores().items()
            },
            "differences": [difference.to_json() for difference in self.differences()],
        }


def evaluate(
    plan: ResamplingPlan,
    methods: Sequence[Method],
    images: LabelledImages,
    *,
    draws: int,
    seed: int,
    run: Run,
) -> ComparisonResult:
    """Predict every split with every method, pool the predictions and score them.

    Raises:
        Stopped: a signal came.
    """
    probabilities: dict[str, NDArray[np.float64]] = {}
    steps = len(methods) * len(plan.splits)
    with run.console.progress(plan.name, total=steps, unit="fits") as progress:
        for method in methods:
            pooled = np.full((len(images), len(images.classes)), np.nan)
            for split in plan.splits:
                run.check_stop()
                pooled[split.test] = method.predict(split)
                progress.advance(1, method.name)
            probabilities[method.name] = pooled[plan.tested]
    cases = {name: images.cases(plan.tested, rows) for name, rows in probabilities.items()}
    comparison = Comparison(cases, metrics=ALL, draws=draws, seed=seed)
    return ComparisonResult(plan, list(methods), probabilities, cases, comparison)
