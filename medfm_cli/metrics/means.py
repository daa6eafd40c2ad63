"""The mean of what was measured of each sample, with an interval over subjects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.metrics.bootstrap import Resampler, interval
from medfm_cli.metrics.estimates import FEWEST, Estimate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def mean_estimate(
    values: NDArray[np.float64], subjects: NDArray[np.int64], *, metric: str
) -> Estimate:
    """The mean of values [n] with a 95 % bootstrap interval over subjects.

    Args:
        values: of each sample, [n].
        subjects: codes 0 … S−1 of their subjects, [n].
        metric: what the values are called.
    """
    resampler = Resampler(subjects)
    draws = resampler.run({"mean": lambda weights: values @ weights / weights.sum(axis=0)})["mean"]
    count = int(subjects.max()) + 1
    low, high, used = interval(draws) if count >= FEWEST else (None, None, len(draws))
    return Estimate(
        metric=metric,
        value=float(values.mean()),
        low=low,
        high=high,
        n=len(values),
        subjects=count,
        draws=len(draws),
        used=used,
    )
