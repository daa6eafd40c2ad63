"""Metrics of the decisions: all of them read from weighted confusion matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.metrics.weighting import Metric, Statistic, Values, Weights, one_hot, ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.metrics.cases import Cases


def confusion_matrix(cases: Cases) -> NDArray[np.int64]:
    """Counts, int64 [K, K]: rows are the true classes, columns the decisions."""
    table = np.zeros((cases.n_classes, cases.n_classes), dtype=np.int64)
    np.add.at(table, (cases.truth, cases.predicted), 1)
    return table


def confusion(cases: Cases) -> Statistic:
    """Weighted confusion matrices: weights [n, draws] → [K, K, draws]."""
    size = cases.n_classes
    cells = one_hot(cases.truth * size + cases.predicted, size * size)
    return lambda weights: (cells @ weights).reshape(size, size, -1)


def accuracy(cases: Cases) -> Statistic:
    """The share of right decisions."""
    right = (cases.truth == cases.predicted).astype(np.float64)
    return lambda weights: ratio(right @ weights, weights.sum(axis=0))


def balanced_accuracy(cases: Cases) -> Statistic:
    """The mean of the sensitivities of the classes that `cases` holds.

    A draw that lacks one of these classes is undefined, instead of silently becoming the mean
    over fewer classes.
    """
    parts = [sensitivity(index)(cases) for index in cases.present()]
    return lambda weights: np.mean([part(weights) for part in parts], axis=0)


def sensitivity(index: int) -> Metric:
    """The share of the cases of class `index` that are decided so (recall)."""

    def prepare(cases: Cases) -> Statistic:
        of_class = (cases.truth == index).astype(np.float64)
        found = of_class * (cases.predicted == index)
        return lambda weights: ratio(found @ weights, of_class @ weights)

    return prepare


def specificity(index: int) -> Metric:
    """The share of the cases of other classes that are not decided as class `index`."""

    def prepare(cases: Cases) -> Statistic:
        other = (cases.truth != index).astype(np.float64)
        spared = other * (cases.predicted != index)
        return lambda weights: ratio(spared @ weights, other @ weights)

    return prepare


def mcc(cases: Cases) -> Statistic:
    """Matthews' correlation coefficient for any number of classes (Gorodkin 2004, R_K).

    Constant decisions score 0; the value is undefined (NaN) where all cases have one class.
    """
    tables = confusion(cases)

    def statistic(weights: Weights) -> Values:
        table = tables(weights)
        true, decided = table.sum(axis=1), table.sum(axis=0)
        total = true.sum(axis=0)
        right = np.einsum("iid->d", table)
        covariance = right * total - (true * decided).sum(axis=0)
        spread_true = total**2 - (true**2).sum(axis=0)
        spread_decided = total**2 - (decided**2).sum(axis=0)
        scale = np.sqrt(spread_true * spread_decided)
        value = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
        return np.where(spread_true > 0, value, np.nan)

    return statistic
