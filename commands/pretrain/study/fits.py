"""Lines fitted to logarithms, with intervals of their slopes. Needs numpy alone.

BioVFM-21M (arXiv 2505.09329) fits log(metric in %) = a + s · log(parameters in millions) by least
squares, one line for each task and objective, and reads the slope s as the benefit of scale. Its
released notebook fills missing results by interpolation and gives no intervals; here a missing
result stays missing, and every slope has an interval over seeds and test subjects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.metrics.bootstrap import interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FEW_POINTS = 5
FEW_TASKS = 20
"""Below so many sizes, or tasks, a fit or a correlation is called exploratory."""


@dataclass(frozen=True)
class Point:
    """One size of the curve: the scores of its seeds.

    Attributes:
        size: what is on the x-axis (parameters or samples), in its own units.
        values: the metric of each seed that there is, in 0 … 1, [k].
        draws: the same on every bootstrap draw of the test subjects, [k, B].
    """

    size: float
    values: Floats
    draws: Floats


@dataclass(frozen=True)
class Fit:
    """A line log(100 · metric) = intercept + slope · log(size).

    Attributes:
        low, high: 95 % interval of the slope; None where there are too few draws.
        residuals: log score less the line, one a size.
        sizes: the sizes that it goes through.
        scores: mean metric over the seeds at each.
        seeds: the fewest seeds that a size has.
    """

    slope: float
    intercept: float
    low: float | None
    high: float | None
    residuals: list[float]
    sizes: list[float]
    scores: list[float]
    seeds: int

    @property
    def exploratory(self) -> bool:
        """Whether there are too few sizes for a scaling law."""
        return len(self.sizes) < FEW_POINTS


def fit_line(points: Sequence[Point], *, seed: int = 0) -> Fit | None:
    """Fit the line; None where fewer than two sizes have a score above 0.

    The interval: in every draw the test subjects are drawn again (the caller's draws, shared by all
    sizes, so that what they have in common cancels), and so are the seeds of every size.
    """
    # A mean score of 0 (an accuracy of a tiny test, say) has no logarithm: it is no point either.
    scored = [point for point in points if len(point.values) and point.values.mean() > 0]
    if len({point.size for point in scored}) < 2:
        return None
    x = np.log([point.size for point in scored])
    means = np.array([point.values.mean() for point in scored])
    slope, intercept = _least_squares(x, np.log(100 * means)[:, None])
    generator = np.random.default_rng(seed)
    resampled = np.stack([_mean_of_drawn_seeds(point.draws, generator) for point in scored])
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes, _ = _least_squares(x, np.log(100 * resampled))
    low, high, _ = interval(slopes)
    line = intercept[0] + slope[0] * x
    return Fit(
        slope=float(slope[0]),
        intercept=float(intercept[0]),
        low=low,
        high=high,
        residuals=(np.log(100 * means) - line).tolist(),
        sizes=[point.size for point in scored],
        scores=means.tolist(),
        seeds=min(len(point.values) for point in scored),
    )


def _mean_of_drawn_seeds(draws: Floats, generator: np.random.Generator) -> Floats:
    """Draw as many seeds as there are, again for every draw: [k, B] → [B]."""
    seeds, count = draws.shape
    picked = generator.integers(0, seeds, size=(seeds, count))
    mean: Floats = np.take_along_axis(draws, picked, axis=0).mean(axis=0)
    return mean


def _least_squares(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Slopes and intercepts of lines through x [m] and each column of y [m, B]."""
    centred = x - x.mean()
    slopes = centred @ y / (centred @ centred)
    return slopes, y.mean(axis=0) - slopes * x.mean()


@dataclass(frozen=True)
class Correlation:
    """Pearson's r over tasks with its 95 % interval (Fisher's z); `n` tasks."""

    r: float | None
    low: float | None
    high: float | None
    n: int

    @property
    def exploratory(self) -> bool:
        """Whether there are too few tasks for a conclusion."""
        return self.n < FEW_TASKS


def correlate(factor: Sequence[float | None], slopes: Sequence[float | None]) -> Correlation:
    """Correlate a factor of tasks with their slopes, over the tasks that have both."""
    pairs = [(a, b) for a, b in zip(factor, slopes, strict=True) if a is not None and b is not None]
    count = len(pairs)
    if count < 3:
        return Correlation(None, None, None, count)
    x, y = (np.array(side, dtype=np.float64) for side in zip(*pairs, strict=True))
    if not x.std() or not y.std():
        return Correlation(None, None, None, count)
    r = float(np.corrcoef(x, y)[0, 1])
    if count < 4 or abs(r) >= 1 - 1e-12:
        return Correlation(r, None, None, count)
    z, reach = math.atanh(r), 1.959964 / math.sqrt(count - 3)
    return Correlation(r, math.tanh(z - reach), math.tanh(z + reach), count)
