"""Lines through logarithms: a planted slope is found, what is missing stays missing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from medfm_cli.commands.pretrain.study.fits import Point, correlate, fit_line

SIZES = (1.0, 3.0, 9.0, 27.0, 81.0)
SLOPE = 0.02


def planted(*, noise: float, seeds: int, seed: int = 0, slope: float = SLOPE) -> list[Point]:
    """Scores that follow 0.80 · size^slope, with noise of seeds and of test resamples."""
    generator = np.random.default_rng(seed)
    common = generator.normal(0, noise, 400)  # the same test subjects for all sizes
    points = []
    for size in SIZES:
        true = 0.80 * size**slope
        values = true * np.exp(generator.normal(0, noise, seeds))
        draws = values[:, None] * np.exp(common + generator.normal(0, noise, (seeds, 400)))
        points.append(Point(size, values, draws))
    return points


def test_a_planted_slope_is_recovered_exactly_without_noise() -> None:
    fit = fit_line(planted(noise=0.0, seeds=2))
    assert fit is not None
    assert fit.slope == pytest.approx(SLOPE)
    assert math.exp(fit.intercept) == pytest.approx(80.0)
    assert fit.low == pytest.approx(SLOPE) == pytest.approx(fit.high)
    assert np.allclose(fit.residuals, 0) and not fit.exploratory


def test_the_interval_holds_the_planted_slope_about_as_often_as_it_says() -> None:
    inside = 0
    for seed in range(100):
        fit = fit_line(planted(noise=0.01, seeds=5, seed=seed), seed=seed)
        assert fit is not None and fit.low is not None and fit.high is not None
        inside += fit.low <= SLOPE <= fit.high
    assert 85 <= inside <= 100


def test_the_line_is_that_of_scipy() -> None:
    points = planted(noise=0.02, seeds=3)
    fit = fit_line(points)
    scores = [100 * point.values.mean() for point in points]
    reference = stats.linregress(np.log(SIZES), np.log(scores))
    assert fit is not None
    assert (fit.slope, fit.intercept) == pytest.approx((reference.slope, reference.intercept))


def test_a_missing_size_stays_missing() -> None:
    points = planted(noise=0.0, seeds=2)
    holed = [*points[:2], Point(9.0, np.array([]), np.empty((0, 400))), *points[3:]]
    fit = fit_line(holed)
    assert fit is not None and fit.exploratory
    assert fit.sizes == [1.0, 3.0, 27.0, 81.0] and len(fit.residuals) == 4
    assert fit_line(points[:1]) is None
    assert fit_line([points[0], Point(3.0, np.array([]), np.empty((0, 400)))]) is None


def test_seeds_widen_the_interval() -> None:
    def width(spread: float) -> float:
        points = [
            Point(
                size,
                np.array([0.8 - spread, 0.8 + spread]),
                np.array([[0.8 - spread] * 400, [0.8 + spread] * 400]),
            )
            for size in SIZES
        ]
        fit = fit_line(points)
        assert fit is not None and fit.low is not None and fit.high is not None
        return fit.high - fit.low

    assert width(0.0) == pytest.approx(0, abs=1e-12)
    assert width(0.05) > width(0.01) > 0


def test_a_correlation_is_that_of_scipy() -> None:
    generator = np.random.default_rng(1)
    factor, slopes = generator.normal(size=(2, 12))
    found = correlate(factor.tolist(), slopes.tolist())
    reference = stats.pearsonr(factor, slopes)
    assert found.r == pytest.approx(reference.statistic)
    bounds = reference.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high))
    assert found.exploratory and found.n == 12


def test_correlations_of_too_little() -> None:
    assert correlate([1.0, 2.0], [1.0, 2.0]).r is None
    assert correlate([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]).r is None
    holed = correlate([1.0, None, 2.0, 4.0], [1.0, 5.0, None, 2.0])
    assert holed.r is None and holed.n == 2


def test_a_score_of_nothing_is_no_point() -> None:
    nothing = Point(1.0, np.array([0.0]), np.zeros((1, 400)))
    some = [Point(size, np.array([0.5]), np.full((1, 400), 0.5)) for size in (2.0, 4.0)]
    fit = fit_line([nothing, *some])
    assert fit is not None and fit.sizes == [2.0, 4.0]
    assert fit_line([nothing, some[0]]) is None
