"""Error analysis of the first model: confusion, calibration and misclassified images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.metrics import per_class
from medfm_cli.runs import Figure, Text, figures
from medfm_cli.scoring.charts import confusion_figure, reliability_figure
from medfm_cli.scoring.tables import class_table

if TYPE_CHECKING:
    from medfm_cli.commands.eval.comparison import ComparisonResult
    from medfm_cli.commands.eval.recipe import EvalRecipe
    from medfm_cli.data import Dataset
    from medfm_cli.metrics import Cases
    from medfm_cli.runs import Run
    from medfm_cli.runs.blocks import Block
    from medfm_cli.scoring.images import LabelledImages

COLUMNS = 4


def error_analysis(
    dataset: Dataset,
    images: LabelledImages,
    result: ComparisonResult,
    *,
    recipe: EvalRecipe,
    run: Run,
) -> list[Block]:
    """Confusion matrix, calibration, scores by class and the most confident errors."""
    cases = result.cases[result.main]
    folder = run.path("figures", "x").parent
    blocks: list[Block] = [
        confusion_figure(cases, folder, name="confusion", of=result.main),
        reliability_figure(cases, folder, name="reliability", of=result.main),
        class_table(
            per_class(cases, draws=recipe.bootstrap, seed=recipe.seed),
            caption="Scores by class, one against the rest.",
        ),
    ]
    if recipe.errors_shown:
        blocks += _errors(dataset, images, result, most=recipe.errors_shown, run=run)
    return blocks


def _errors(
    dataset: Dataset, images: LabelledImages, result: ComparisonResult, *, most: int, run: Run
) -> list[Block]:
    """A sheet of misclassified images, most confident first, with classes but without ids."""
    cases = result.cases[result.main]
    wrong = np.flatnonzero(cases.truth != cases.predicted)
    if not len(wrong):
        return [Text(f"{result.main} made no error on these images.")]
    most_confident = wrong[np.argsort(-cases.probabilities[wrong].max(axis=1), kind="stable")][
        :most
    ]
    row_of = _middle_rows(images)
    pixels = [dataset.image(int(row_of[result.plan.tested[case]])) for case in most_confident]
    captions = [_caption(cases, int(case)) for case in most_confident]
    sheet = figures.image_sheet(pixels, captions, COLUMNS)
    figures.save(sheet, run.path("figures", "errors.jpg"))
    count = len(most_confident)
    shown = f"the {count} with the highest confidence" if len(wrong) > count else "all of them"
    return [
        Figure(
            "figures/errors.jpg",
            f"{result.main} misclassifies {len(wrong)} of {cases.n} images. Shown: {shown}, "
            "sorted by confidence (for a tiled image, its middle tile).",
            f"A sheet of {count} misclassified images with their true and predicted classes.",
            wide=True,
        )
    ]


def _middle_rows(images: LabelledImages) -> np.ndarray:
    """The manifest row of each image's middle sample, [M]: first tiles often show the margin."""
    order = np.argsort(images.image, kind="stable")
    parts = np.split(images.rows[order], np.flatnonzero(np.diff(images.image[order])) + 1)
    return np.array([part[len(part) // 2] for part in parts])


def _caption(cases: Cases, case: int) -> str:
    predicted = int(cases.predicted[case])
    true = cases.classes[int(cases.truth[case])]
    confidence = cases.probabilities[case, predicted]
    return f"true: {true}\npredicted: {cases.classes[predicted]} ({confidence:.0%})"
