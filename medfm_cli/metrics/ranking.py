"""The area under the ROC curve, for many weightings of the same cases at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.metrics.weighting import Metric, Statistic, ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.metrics.cases import Cases


def auc(cases: Cases) -> Statistic:
    """AUC: of class 1 when there are two classes, else the macro one-vs-rest mean.

    Ties count one half (the Mann-Whitney statistic; Hanley & McNeil 1982). With more than two
    classes the mean runs over the classes that `cases` holds; a draw that lacks one of them is
    undefined (NaN), as is everything when fewer than two classes are present.
    """
    present = cases.present()
    scored = [1] if cases.n_classes == 2 else present
    if len(present) < 2:
        return lambda weights: np.full(weights.shape[1], np.nan)
    parts = [binary_auc(cases.truth == index, cases.probabilities[:, index]) for index in scored]
    return lambda weights: np.mean([part(weights) for part in parts], axis=0)


def class_auc(index: int) -> Metric:
    """The one-vs-rest AUC of one class."""
    return lambda cases: binary_auc(cases.truth == index, cases.probabilities[:, index])


def binary_auc(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> Statistic:
    """The probability that a positive case scores above a negative one, ties one half."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf))
    is_positive = positive[order].astype(np.float64)[:, None]

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        ordered = weights[order]
        up = np.add.reduceat(ordered * is_positive, starts, axis=0)
        down = np.add.reduceat(ordered * (1.0 - is_positive), starts, axis=0)
        below = np.cumsum(down, axis=0) - 0.5 * down
        return ratio((up * below).sum(axis=0), up.sum(axis=0) * down.sum(axis=0))

    return statistic
