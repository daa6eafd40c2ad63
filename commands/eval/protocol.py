"""Which images train and which are tested: the held-out split, or folds of subjects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.commands.eval.folds import Folds, make_folds
from medfm_cli.errors import DataError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.commands.eval.recipe import EvalRecipe
    from medfm_cli.runs import Run
    from medfm_cli.scoring.images import LabelledImages

ENOUGH = 40
"""Held-out subjects from which on the test split is taken: with fewer, an interval of the
accuracy is wider than ±0.15."""


@dataclass(frozen=True, eq=False)
class Split:
    """Images that train, choose (may be none) and are tested."""

    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]
    fold: int = -1


@dataclass(frozen=True, eq=False)
class Trial:
    """One way of testing: its splits, and the images that they test together.

    Attributes:
        name: "holdout" or "cross-validation".
        splits: one, or one a fold.
        tested: int64 [m], every tested image once, in the dataset's order.
        folds: of the cross-validation.
    """

    name: str
    splits: list[Split]
    tested: NDArray[np.int64]
    folds: Folds | None = None

    def fold_of_tested(self) -> NDArray[np.int64] | None:
        """The fold that tests each of `tested`."""
        return None if self.folds is None else self.folds.of_image[self.tested]


def choose_protocol(recipe: EvalRecipe, images: LabelledImages, *, encoders: bool, run: Run) -> str:
    """Settle the protocol.

    Raises:
        UsageError: cross-validation is asked for, but no model could be refitted.
    """
    if recipe.protocol == "cross-validation" and not encoders:
        raise UsageError(
            "cross-validation refits a probe in every fold, and the recipe names no encoder",
            hint="add an encoder (a pretrain run) to models, or use protocol: holdout",
        )
    if recipe.protocol != "auto":
        return recipe.protocol
    chosen, why = _auto(images, encoders=encoders)
    run.resolve("protocol", chosen, why)
    return chosen


def _auto(images: LabelledImages, *, encoders: bool) -> tuple[str, str]:
    outside = images.n_subjects(images.of_split("val", "test"))
    if not encoders:
        return "holdout", "classifiers cannot be trained again here, only scored"
    if outside < ENOUGH:
        return "cross-validation", (
            f"only {outside} labelled subjects are held out of training, fewer than {ENOUGH}"
        )
    if not _scorable(images):
        return "cross-validation", "the test split does not hold two classes"
    return "holdout", f"{outside} labelled subjects are held out of training"


def cross_validation(recipe: EvalRecipe, images: LabelledImages, run: Run) -> Trial:
    """Every subject is tested once.

    Raises:
        DataError: there are too few subjects.
    """
    folds = make_folds(images, recipe.folds, seed=recipe.seed)
    if recipe.folds == "auto":
        run.resolve("folds", folds.count, folds.why)
    none = np.zeros(0, dtype=np.int64)
    splits = [Split(folds.train(k), none, folds.test(k), k) for k in range(folds.count)]
    return Trial("cross-validation", splits, folds.tested, folds)


def holdout(images: LabelledImages) -> Trial:
    """Train and choose on the dataset's train and val, test on its test.

    Raises:
        DataError: there is nothing to test or nothing to train on.
    """
    train, val, test = (images.of_split(name) for name in ("train", "val", "test"))
    if not len(test):
        raise DataError(
            "the dataset has no labelled test image",
            hint="use protocol=cross-validation, or curate with a test split",
        )
    if len(np.unique(images.truth[train])) < 2:
        raise DataError(
            "the training split has labelled images of one class only",
            hint="curate with more subjects a class or with another split",
        )
    return Trial("holdout", [Split(train, val, test)], test)


def can_hold_out(images: LabelledImages) -> bool:
    """Whether the dataset's own splits allow a test at all."""
    train = images.truth[images.of_split("train")]
    return len(images.of_split("test")) > 0 and len(np.unique(train)) > 1


def _scorable(images: LabelledImages) -> bool:
    return can_hold_out(images) and len(np.unique(images.truth[images.of_split("test")])) > 1
