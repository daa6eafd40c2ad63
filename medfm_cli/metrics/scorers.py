"""The registry of metrics: a new one is a function in a file of its own and one line here.

Imports nothing: recipes check names of metrics against it. A function is imported when it is used.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medfm_cli.metrics.weighting import Metric


@dataclass(frozen=True)
class Scorer:
    """A metric by name.

    Attributes:
        label: as tables show it.
        implementation: `module:function` of this package, for `prepare`.
        higher_is_better: the direction of a gain.
        uses: what it looks at: the "ranking" of the scores, the "decision", the "probability".
    """

    label: str
    implementation: str
    higher_is_better: bool = True
    uses: str = "decision"

    @property
    def prepare(self) -> Metric:
        """The metric itself: cases → the statistic of weights."""
        module, _, name = self.implementation.partition(":")
        metric: Metric = getattr(importlib.import_module(f"medfm_cli.metrics.{module}"), name)
        return metric


SCORERS: dict[str, Scorer] = {
    "auc": Scorer("AUC", "ranking:auc", uses="ranking"),
    "accuracy": Scorer("Accuracy", "decisions:accuracy"),
    "balanced_accuracy": Scorer("Bal. accuracy", "decisions:balanced_accuracy"),
    "mcc": Scorer("MCC", "decisions:mcc"),
    "brier": Scorer("Brier", "calibration:brier", higher_is_better=False, uses="probability"),
    "ece": Scorer("ECE", "calibration:ece", higher_is_better=False, uses="probability"),
}
