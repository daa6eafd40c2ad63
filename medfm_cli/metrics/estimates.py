"""A number as a report shows it: value, interval, n, subjects, and how many draws stand behind."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from medfm_cli.metrics.bootstrap import DRAWS, LEVEL, Resampler, interval
from medfm_cli.metrics.scorers import SCORERS
from medfm_cli.metrics.weighting import unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medfm_cli.metrics.cases import Cases
    from medfm_cli.metrics.weighting import Statistic, Values

FEWEST = 5
"""Subjects from which on there is an interval: four can be drawn in 35 ways only, and what comes
out looks surer than it is."""
NO_INTERVAL = "[–]"
MANY = 200
"""Subjects from which on a third digit is shown."""


@dataclass(frozen=True)
class Estimate:
    """A metric with its 95 % interval.

    Attributes:
        value: of the cases as they are; None where the metric is undefined for them.
        low, high: the percentile interval; None where there are fewer than `FEWEST` subjects or
            half of the draws are undefined.
        n, subjects: cases and distinct subjects.
        draws, used: bootstrap samples drawn, and those in which the metric is defined.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    subjects: int
    draws: int
    used: int
    level: float = LEVEL

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return asdict(self)

    def text(self) -> str:
        """For instance `0.912 [0.850, 0.960]`; `–` where undefined."""
        digits = shown_digits(self.subjects)
        if self.value is None:
            return "–"
        if self.low is None or self.high is None:
            return f"{self.value:.{digits}f} {NO_INTERVAL}"
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


@dataclass(frozen=True)
class Difference:
    """Metric of one model minus that of another on the same cases, with a paired interval.

    `better` turns the sign round for metrics where lower is better.
    """

    metric: str
    model: str
    baseline: str
    delta: float | None
    low: float | None
    high: float | None
    n: int
    subjects: int
    draws: int
    used: int
    higher_is_better: bool = True

    @property
    def verdict(self) -> str:
        """`gain`, `loss`, `no gain` (the interval holds zero) or `undecided` (no interval)."""
        if self.low is None or self.high is None:
            return "undecided"
        low, high = (self.low, self.high) if self.higher_is_better else (-self.high, -self.low)
        if low > 0:
            return "gain"
        return "loss" if high < 0 else "no gain"

    def to_json(self) -> dict[str, Any]:
        """The fields and the verdict as plain JSON values."""
        return {**asdict(self), "verdict": self.verdict}

    def text(self) -> str:
        """For instance `+0.050 [-0.010, +0.110]`."""
        digits = shown_digits(self.subjects)
        if self.delta is None:
            return "–"
        if self.low is None or self.high is None:
            return f"{self.delta:+.{digits}f} {NO_INTERVAL}"
        return f"{self.delta:+.{digits}f} [{self.low:+.{digits}f}, {self.high:+.{digits}f}]"


class Comparison:
    """Several models scored on the same cases, with shared bootstrap draws."""

    def __init__(
        self,
        models: Mapping[str, Cases],
        *,
        metrics: Sequence[str],
        draws: int = DRAWS,
        seed: int = 0,
    ) -> None:
        """Score every model by every metric on every draw.

        Raises:
            ValueError: the models were not scored on the same cases, or a metric is unknown.
        """
        self._first = _same_cases(models)
        self._draws = draws
        prepared = {
            (name, metric): _scorer(metric).prepare(cases)
            for name, cases in models.items()
            for metric in metrics
        }
        self._points = {key: _point(stat, self._first.n) for key, stat in prepared.items()}
        self._values = Resampler(self._first.subjects, draws, seed).run(prepared)

    def estimate(self, model: str, metric: str) -> Estimate:
        """The metric of one model."""
        values = self._values[model, metric]
        return _estimate(metric, self._points[model, metric], values, cases=self._first)

    def difference(self, model: str, baseline: str, metric: str) -> Difference:
        """Model minus baseline, draw by draw."""
        values = self._values[model, metric] - self._values[baseline, metric]
        here, there = self._points[model, metric], self._points[baseline, metric]
        low, high, used = _guarded(values, self._first)
        return Difference(
            metric,
            model,
            baseline,
            None if here is None or there is None else here - there,
            low,
            high,
            self._first.n,
            self._first.n_subjects,
            self._draws,
            used,
            SCORERS[metric].higher_is_better,
        )


def estimate(
    cases: Cases, metrics: Sequence[str], *, draws: int = DRAWS, seed: int = 0
) -> dict[str, Estimate]:
    """Every metric of one model."""
    comparison = Comparison({"model": cases}, metrics=metrics, draws=draws, seed=seed)
    return {metric: comparison.estimate("model", metric) for metric in metrics}


def estimate_each(
    cases: Cases, statistics: Mapping[str, Statistic], *, draws: int = DRAWS, seed: int = 0
) -> dict[str, Estimate]:
    """Estimates of statistics prepared by the caller, such as those of single classes."""
    values = Resampler(cases.subjects, draws, seed).run(statistics)
    return {
        name: _estimate(name, _point(statistic, cases.n), values[name], cases=cases)
        for name, statistic in statistics.items()
    }


def shown_digits(subjects: int) -> int:
    """Digits after the point that so few subjects can bear."""
    return 2 if subjects < MANY else 3


def unseen_error(subjects: int, *, level: float = LEVEL) -> float:
    """The error rate that `subjects` subjects without an error cannot rule out.

    The exact upper limit 1 − (1 − level)^(1/S), about 3/S ("rule of three"; Hanley &
    Lippman-Hand 1983). A bootstrap cannot show it: it has no error to draw.
    """
    return float(1 - (1 - level) ** (1 / subjects))


def _estimate(metric: str, point: float | None, values: Values, *, cases: Cases) -> Estimate:
    low, high, used = _guarded(values, cases)
    return Estimate(
        metric, point, low, high, cases.n, cases.n_subjects, draws=len(values), used=used
    )


def without_interval(estimate: Estimate) -> Estimate:
    """The same estimate, its interval left out."""
    return replace(estimate, low=None, high=None)


def _guarded(values: Values, cases: Cases) -> tuple[float | None, float | None, int]:
    """The interval, unless there are too few subjects to draw from."""
    low, high, used = interval(values)
    return (low, high, used) if cases.n_subjects >= FEWEST else (None, None, used)


def _point(statistic: Statistic, n: int) -> float | None:
    value = unit(statistic, n)
    return value if np.isfinite(value) else None


def _scorer(metric: str) -> Any:
    if metric not in SCORERS:
        raise ValueError(f"unknown metric '{metric}', known: {', '.join(SCORERS)}")
    return SCORERS[metric]


def _same_cases(models: Mapping[str, Cases]) -> Cases:
    first, *others = models.values()
    for other in others:
        same = np.array_equal(first.truth, other.truth)
        if not (same and np.array_equal(first.subjects, other.subjects)):
            raise ValueError("paired models must be scored on the same cases in the same order")
    return first
