"""Scores as report tables: value, 95 % interval, n and subjects in every row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.metrics import NO_INTERVAL, SCORERS
from medfm_cli.runs import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medfm_cli.metrics import ClassScores, Difference, Estimate
    from medfm_cli.runs.blocks import Cell

MAIN = ("auc", "accuracy", "balanced_accuracy", "mcc")
CALIBRATION = ("brier", "ece")
ALL = (*MAIN, *CALIBRATION)
CALIBRATION_CAPTION = (
    "Calibration, lower is better. Brier: squared error of the probabilities. ECE: gap between "
    "confidence and accuracy; resampling increases it, so small values may lie below their "
    "interval."
)
_VERDICTS = {
    "gain": "gain",
    "no gain": "no gain",
    "loss": "worse",
    "undecided": "undecided",
}


def score_table(
    scores: Mapping[str, Mapping[str, Estimate]],
    metrics: Sequence[str] = MAIN,
    *,
    first: str = "Method",
    caption: str = "",
    strong: Sequence[int] = (),
) -> Table:
    """One row per method (or split): each metric with its interval, then images and subjects."""
    columns = [first, *(SCORERS[name].label for name in metrics), "Images", "Subjects"]
    rows: list[list[Cell]] = []
    for method, estimates in scores.items():
        some = next(iter(estimates.values()))
        cells: list[Cell] = [estimates[name].text() for name in metrics]
        rows.append([method, *cells, some.n, some.subjects])
    return Table(columns, rows, _explained(caption, rows), strong=strong)


def difference_table(differences: Sequence[Difference], *, caption: str = "") -> Table:
    """One row per comparison, with its result."""
    rows: list[list[Cell]] = [
        [
            difference.model,
            difference.baseline,
            SCORERS[difference.metric].label,
            difference.text(),
            _VERDICTS[difference.verdict],
        ]
        for difference in differences
    ]
    columns = ["Model", "Compared with", "Metric", "Difference (95 % interval)", "Result"]
    return Table(columns, rows, _explained(caption, rows))


def class_table(scores: Sequence[ClassScores], *, caption: str = "") -> Table:
    """One row per class."""
    columns = ["Class", "AUC (one vs rest)", "Sensitivity", "Specificity"]
    rows: list[list[Cell]] = [
        [
            each.name,
            each.auc.text(),
            each.sensitivity.text(),
            each.specificity.text(),
            each.n,
            each.subjects,
        ]
        for each in scores
    ]
    return Table([*columns, "Images", "Subjects"], rows, _explained(caption, rows))


def _explained(caption: str, rows: Sequence[Sequence[Cell]]) -> str:
    """The caption, with an explanation of missing intervals if there are any."""
    missing = any(isinstance(cell, str) and NO_INTERVAL in cell for row in rows for cell in row)
    reason = f"{NO_INTERVAL}: too few subjects for an interval."
    return f"{caption} {reason}".strip() if missing else caption
