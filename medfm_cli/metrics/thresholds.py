"""Decision thresholds, chosen on validation cases and only there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.metrics.cases import Cases


@dataclass(frozen=True)
class Threshold:
    """A case is called positive when its probability is at least `value`."""

    value: float
    mcc: float
    positives: int
    negatives: int


def best_threshold(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> Threshold | None:
    """The threshold with the highest MCC; None when one of the two sides has no case.

    Every distinct score is tried (BioVFM tries up to 1,000 candidates). The threshold lies half
    way to the next lower score, so that a rounding error flips no case; of several equally good
    ones the one nearest to 0.5 is taken.
    """
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return None
    values, group, sizes = np.unique(score, return_inverse=True, return_counts=True)
    hits = np.bincount(group, weights=positive)
    called, true_positive = _from_the_top(sizes), _from_the_top(hits)
    quality = _mcc(true_positive, called, positives, positives + negatives)
    lower = np.concatenate([values[:1], values[:-1]])
    middle = (values + lower) / 2
    cuts = np.where(middle > lower, middle, values)
    best = np.flatnonzero(quality >= quality.max() - 1e-12)
    chosen = best[np.argmin(np.abs(cuts[best] - 0.5))]
    return Threshold(float(cuts[chosen]), float(quality[chosen]), positives, negatives)


def class_thresholds(cases: Cases) -> dict[str, Threshold | None]:
    """One-vs-rest thresholds: of class 1 when there are two classes, else of each class."""
    scored = [1] if cases.n_classes == 2 else range(cases.n_classes)
    return {
        cases.classes[index]: best_threshold(cases.truth == index, cases.probabilities[:, index])
        for index in scored
    }


def decide(cases: Cases, threshold: float) -> Cases:
    """Two classes: decide class 1 where its probability reaches the threshold.

    Raises:
        ValueError: there are not exactly two classes.
    """
    if cases.n_classes != 2:
        raise ValueError("a single threshold decides between two classes only")
    return cases.decided((cases.probabilities[:, 1] >= threshold).astype(np.int64))


def _from_the_top(counts: NDArray[np.generic]) -> NDArray[np.float64]:
    """How many lie at this value or above: the cumulative sum from the end."""
    return np.cumsum(counts[::-1])[::-1].astype(np.float64)


def _mcc(
    true_positive: NDArray[np.float64], called: NDArray[np.float64], positives: int, n: int
) -> NDArray[np.float64]:
    """MCC for each number of called cases; 0 where all or none are called."""
    covariance = true_positive * n - called * positives
    scale = np.sqrt(called * (n - called) * positives * (n - positives))
    return np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
