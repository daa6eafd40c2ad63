"""Which images train and which are tested: the held-out split, or folds of subjects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.commands.eval.folds import Folds, make_folds
from medfm_cli.errors import DataError, UsageError
from medfm_cli.scoring.splits import SplitIndices, dataset_splits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.commands.eval.recipe import EvalRecipe
    from medfm_cli.runs import Run
    from medfm_cli.scoring.images import LabelledImages

MIN_HELD_OUT_SUBJECTS = 40
"""Held-out subjects from which on the test split is used: with fewer, a confidence interval of
the accuracy is wider than ±0.15."""


@dataclass(frozen=True, eq=False)
class ResamplingPlan:
    """The splits of an evaluation, and the images that they test together.

    Attributes:
        name: "holdout" or "cross-validation".
        splits: one, or one per fold.
        tested: int64 [m], every tested image once, in the dataset's order.
        folds: of the cross-validation.
    """

    name: str
    splits: list[SplitIndices]
    tested: NDArray[np.int64]
    folds: Folds | None = None

    def fold_of_tested(self) -> NDArray[np.int64] | None:
        """The fold that tests each of `tested`."""
        return None if self.folds is None else self.folds.of_image[self.tested]


def choose_protocol(recipe: EvalRecipe, images: LabelledImages, *, encoders: bool, run: Run) -> str:
    """Resolve the recipe's protocol.

    Raises:
        UsageError: the recipe sets cross-validation, but no model can be refitted.
    """
    if recipe.protocol == "cross-validation" and not encoders:
        raise UsageError(
            "cross-validation refits a probe in every fold, and the recipe names no encoder",
            hint="add an encoder (a pretrain run) to models, or use protocol: holdout",
        )
    if recipe.protocol != "auto":
        return recipe.protocol
    name, why = _auto(images, encoders=encoders)
    run.resolve("protocol", name, why)
    return name


def _auto(images: LabelledImages, *, encoders: bool) -> tuple[str, str]:
    held_out = images.n_subjects(images.of_split("val", "test"))
    if not encoders:
        return "holdout", "classifiers are not trained again, only scored"
    if held_out < MIN_HELD_OUT_SUBJECTS:
        return "cross-validation", (
            f"only {held_out} labelled subjects are held out of training, fewer than "
            f"{MIN_HELD_OUT_SUBJECTS}"
        )
    if not _scorable(images):
        return "cross-validation", "the test split has fewer than two classes"
    return "holdout", f"{held_out} labelled subjects are held out of training"


def cross_validation(recipe: EvalRecipe, images: LabelledImages, run: Run) -> ResamplingPlan:
    """Test every subject once.

    Raises:
        DataError: there are too few subjects.
    """
    folds = make_folds(images, recipe.folds, seed=recipe.seed)
    if recipe.folds == "auto":
        run.resolve("folds", folds.count, folds.why)
    no_validation = np.zeros(0, dtype=np.int64)
    splits = [
        SplitIndices(images, folds.train(fold), no_validation, folds.test(fold))
        for fold in range(folds.count)
    ]
    return ResamplingPlan("cross-validation", splits, folds.tested, folds)


def holdout(images: LabelledImages) -> ResamplingPlan:
    """Train and select on the dataset's train and val, test on its test.

    Raises:
        DataError: there is nothing to test or nothing to train on.
    """
    if not len(images.of_split("test")):
        raise DataError(
            "the dataset has no labelled test image",
            hint="use protocol=cross-validation, or curate with a test split",
        )
    splits = dataset_splits(images)
    return ResamplingPlan("holdout", [splits], splits.test)


def can_hold_out(images: LabelledImages) -> bool:
    """Whether the dataset's own splits allow a test at all."""
    training = images.truth[images.of_split("train")]
    return len(images.of_split("test")) > 0 and len(np.unique(training)) > 1


def _scorable(images: LabelledImages) -> bool:
    return can_hold_out(images) and len(np.unique(images.truth[images.of_split("test")])) > 1
