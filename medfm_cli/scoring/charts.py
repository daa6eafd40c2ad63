"""The charts of scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.metrics import SCORERS, confusion_matrix, reliability
from medfm_cli.runs import Figure, figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medfm_cli.metrics import Cases, Estimate


def confusion_figure(cases: Cases, folder: Path, *, name: str, of: str) -> Figure:
    """Draw the confusion matrix to `folder/<name>.svg`."""
    table = confusion_matrix(cases)
    figures.save(figures.confusion(table, cases.classes), folder / f"{name}.svg")
    wrong = int(table.sum() - table.trace())
    return Figure(
        f"{folder.name}/{name}.svg",
        f"Confusion matrix of {of}: {cases.n} images of {cases.n_subjects} subjects. The shade is "
        "the fraction of the row.",
        f"Confusion matrix of {of}: {wrong} of {cases.n} images are wrong.",
    )


def reliability_figure(cases: Cases, folder: Path, *, name: str, of: str) -> Figure:
    """Draw the reliability curve to `folder/<name>.svg`."""
    curve = reliability(cases)
    drawing = figures.reliability(
        [each.confidence for each in curve],
        [each.accuracy for each in curve],
        [each.n for each in curve],
    )
    figures.save(drawing, folder / f"{name}.svg")
    return Figure(
        f"{folder.name}/{name}.svg",
        f"Calibration of {of}: accuracy of the predictions by confidence. Points with few images "
        "vary widely.",
        f"Reliability curve of {of} over {cases.n} images.",
    )


def forest_figure(
    scores: Mapping[str, Mapping[str, Estimate]],
    metrics: Sequence[str],
    folder: Path,
    *,
    strong: str | None,
    name: str = "scores",
) -> Figure:
    """Draw every method's metrics with their intervals to `folder/<name>.svg`."""
    values = {
        method: {
            SCORERS[metric].label: (each.value, each.low, each.high)
            for metric in metrics
            if (each := estimates[metric]).value is not None
        }
        for method, estimates in scores.items()
    }
    drawing = figures.forest(values, strong=strong, reference={"AUC": 0.5, "MCC": 0.0})
    figures.save(drawing, folder / f"{name}.svg")
    return Figure(
        f"{folder.name}/{name}.svg",
        "Scores with 95 % intervals (bootstrap over subjects); dashed: chance.",
        "Scores of every method with 95 % intervals; the table has the same numbers.",
        wide=True,
    )
