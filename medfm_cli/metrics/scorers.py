"""The registry of metrics: a new one is a function in a file of its own and one line here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medfm_cli.metrics import calibration, decisions, ranking

if TYPE_CHECKING:
    from medfm_cli.metrics.weighting import Metric


@dataclass(frozen=True)
class Scorer:
    """A metric by name.

    Attributes:
        label: as tables show it.
        prepare: cases → the statistic of weights.
        higher_is_better: the direction of a gain.
        uses: what it looks at: the "ranking" of the scores, the "decision", the "probability".
    """

    label: str
    prepare: Metric
    higher_is_better: bool = True
    uses: str = "decision"


SCORERS: dict[str, Scorer] = {
    "auc": Scorer("AUC", ranking.auc, uses="ranking"),
    "accuracy": Scorer("Accuracy", decisions.accuracy),
    "balanced_accuracy": Scorer("Bal. accuracy", decisions.balanced_accuracy),
    "mcc": Scorer("MCC", decisions.mcc),
    "brier": Scorer("Brier", calibration.brier, higher_is_better=False, uses="probability"),
    "ece": Scorer("ECE", calibration.ece, higher_is_better=False, uses="probability"),
}
