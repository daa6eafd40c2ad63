"""Whether a probability means what it says: Brier score, calibration error, reliability curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.metrics.weighting import Statistic, one_hot, ratio

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.metrics.cases import Cases

BINS = 10


def brier(cases: Cases) -> Statistic:
    """Brier's score, lower is better.

    Two classes: the mean of (p1 − y)², between 0 and 1. More classes: the mean over the cases of
    the sum over the classes, between 0 and 2 (Brier 1950); the convention of scikit-learn.
    """
    target = one_hot(cases.truth, cases.n_classes).T
    loss = ((cases.probabilities - target) ** 2).sum(axis=1)
    if cases.n_classes == 2:
        loss = loss / 2
    return lambda weights: ratio(loss @ weights, weights.sum(axis=0))


def ece(cases: Cases) -> Statistic:
    """Expected calibration error of the most probable class, ten equal bins (Guo et al. 2017)."""
    confidence, right = _confidence(cases)
    gaps = one_hot(_bins(confidence), BINS) * (confidence - right)
    return lambda weights: ratio(np.abs(gaps @ weights).sum(axis=0), weights.sum(axis=0))


@dataclass(frozen=True)
class ReliabilityBin:
    """One bin of a reliability curve: mean confidence, share of right cases, number of cases."""

    low: float
    high: float
    confidence: float
    accuracy: float
    n: int


def reliability(cases: Cases) -> list[ReliabilityBin]:
    """The non-empty bins of confidence in the most probable class, beside how often it is true."""
    confidence, right = _confidence(cases)
    bins = _bins(confidence)
    curve = []
    for index in np.unique(bins):
        inside = bins == index
        curve.append(
            ReliabilityBin(
                low=float(index) / BINS,
                high=float(index + 1) / BINS,
                confidence=float(confidence[inside].mean()),
                accuracy=float(right[inside].mean()),
                n=int(inside.sum()),
            )
        )
    return curve


def _confidence(cases: Cases) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The probability of the most probable class and whether that class is the true one."""
    top = cases.probabilities.argmax(axis=1)
    return cases.probabilities.max(axis=1), (top == cases.truth).astype(np.float64)


def _bins(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each confidence; bin i holds (i/B, (i+1)/B]."""
    index: NDArray[np.float64] = np.clip(np.ceil(confidence * BINS) - 1, 0, BINS - 1)
    return index.astype(np.int64)
