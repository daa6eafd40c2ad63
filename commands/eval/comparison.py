"""All methods on the same images: probabilities, scores and paired differences."""

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
    from medfm_cli.commands.eval.protocol import Trial
    from medfm_cli.runs import Run
    from medfm_cli.scoring.images import LabelledImages


@dataclass(frozen=True, eq=False)
class Board:
    """The outcome of a trial.

    Attributes:
        trial: how it was tested.
        methods: models first, then baselines.
        probabilities: by method, float64 [m,K], rows as `trial.tested`.
        cases: by method.
        comparison: scores and differences on shared bootstrap draws.
    """

    trial: Trial
    methods: list[Method]
    probabilities: dict[str, NDArray[np.float64]]
    cases: dict[str, Cases]
    comparison: Comparison

    @property
    def main(self) -> str:
        """The first model: the one the report looks at closely."""
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
        """Every model beside every baseline, and beside the first model."""
        pairs = [(model, other) for model in self.models for other in self.baselines]
        pairs += [(model, self.main) for model in self.models[1:]]
        return [
            self.comparison.difference(model, other, metric)
            for model, other in pairs
            for metric in MAIN
        ]

    def predictions(self) -> list[Predictions]:
        """For predictions.parquet."""
        part = "test" if self.trial.folds is None else "cross-validation"
        folds = self.trial.fold_of_tested()
        return [
            Predictions(name, part, self.trial.tested, found, folds)
            for name, found in self.probabilities.items()
        ]

    def metrics(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "protocol": self.trial.name,
            "folds": self.trial.folds.count if self.trial.folds else None,
            "images": len(self.trial.tested),
            "subjects": self.cases[self.main].n_subjects,
            "scores": {
                method: {name: each.to_json() for name, each in scores.items()}
                for method, scores in self.scores().items()
            },
            "differences": [difference.to_json() for difference in self.differences()],
        }


def hold(
    trial: Trial,
    methods: Sequence[Method],
    images: LabelledImages,
    *,
    draws: int,
    seed: int,
    run: Run,
) -> Board:
    """Let every method predict every split, pool the predictions and score them.

    Raises:
        Stopped: a signal came.
    """
    found: dict[str, NDArray[np.float64]] = {}
    steps = len(methods) * len(trial.splits)
    with run.console.progress(trial.name, total=steps, unit="fits") as progress:
        for method in methods:
            pooled = np.full((len(images), len(images.classes)), np.nan)
            for split in trial.splits:
                run.check_stop()
                pooled[split.test] = method.predict(split)
                progress.advance(1, method.name)
            found[method.name] = pooled[trial.tested]
    cases = {name: images.cases(trial.tested, rows) for name, rows in found.items()}
    comparison = Comparison(cases, metrics=ALL, draws=draws, seed=seed)
    return Board(trial, list(methods), found, cases, comparison)
