"""The first model looked at closely: where it errs, how sure it is, and at which images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.metrics import per_class
from medfm_cli.runs import Figure, Text, figures
from medfm_cli.scoring.charts import confusion_figure, reliability_figure
from medfm_cli.scoring.tables import class_table

if TYPE_CHECKING:
    from medfm_cli.commands.eval.comparison import Board
    from medfm_cli.commands.eval.recipe import EvalRecipe
    from medfm_cli.data import Dataset
    from medfm_cli.metrics import Cases
    from medfm_cli.runs import Run
    from medfm_cli.runs.blocks import Block
    from medfm_cli.scoring.images import LabelledImages

COLUMNS = 4


def closeup(
    dataset: Dataset, images: LabelledImages, board: Board, *, recipe: EvalRecipe, run: Run
) -> list[Block]:
    """Confusion matrix, calibration, classes and the surest errors of the first model."""
    cases = board.cases[board.main]
    folder = run.path("figures", "x").parent
    blocks: list[Block] = [
        confusion_figure(cases, folder, name="confusion", of=board.main),
        reliability_figure(cases, folder, name="reliability", of=board.main),
        class_table(
            per_class(cases, draws=recipe.bootstrap, seed=recipe.seed),
            caption="Each class on its own, against the rest.",
        ),
    ]
    if recipe.errors_shown:
        blocks += _errors(dataset, images, board, most=recipe.errors_shown, run=run)
    return blocks


def _errors(
    dataset: Dataset, images: LabelledImages, board: Board, *, most: int, run: Run
) -> list[Block]:
    """A sheet of wrong images, the surest first. Pictures and classes only: no ids, no names."""
    cases = board.cases[board.main]
    wrong = np.flatnonzero(cases.truth != cases.predicted)
    if not len(wrong):
        return [Text(f"{board.main} made no error on these images.")]
    sure = wrong[np.argsort(-cases.probabilities[wrong].max(axis=1), kind="stable")][:most]
    row_of = _middle_rows(images)
    pictures = [dataset.image(int(row_of[board.trial.tested[case]])) for case in sure]
    sheet = figures.image_sheet(pictures, [_caption(cases, int(case)) for case in sure], COLUMNS)
    figures.save(sheet, run.path("figures", "errors.jpg"))
    shown = f"the {len(sure)} surest" if len(wrong) > len(sure) else "all"
    return [
        Figure(
            "figures/errors.jpg",
            f"{len(wrong)} of {cases.n} images were misclassified by {board.main}; {shown} of "
            "them, the surest first (of a tiled image its middle tile).",
            f"A sheet of {len(sure)} misclassified images with their true and predicted classes.",
            wide=True,
        )
    ]


def _middle_rows(images: LabelledImages) -> np.ndarray:
    """The manifest row of each image's middle sample, [M]: first tiles often show its margin."""
    order = np.argsort(images.image, kind="stable")
    parts = np.split(images.rows[order], np.flatnonzero(np.diff(images.image[order])) + 1)
    return np.array([part[len(part) // 2] for part in parts])


def _caption(cases: Cases, case: int) -> str:
    said = int(cases.predicted[case])
    true = cases.classes[int(cases.truth[case])]
    return f"is {true}\nsaid {cases.classes[said]} ({cases.probabilities[case, said]:.0%})"
