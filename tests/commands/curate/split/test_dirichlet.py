"""Dirichlet shares: the distribution's moments, its ends, and that a seed and a name decide."""

from __future__ import annotations

import numpy as np
import pytest

from medfm_cli.commands.curate.split.dirichlet import dirichlet


@pytest.mark.parametrize("alpha", [0.05, 0.5, 1.0, 7.0])
def test_mean_and_variance_are_those_of_the_distribution(alpha: float) -> None:
    count = 4
    drawn = np.array([dirichlet(alpha, count, seed=0, name=str(i)) for i in range(4000)])
    assert np.allclose(drawn.sum(axis=1), 1)
    variance = (1 / count) * (1 - 1 / count) / (count * alpha + 1)
    error = 4 * np.sqrt(variance / len(drawn))
    assert np.allclose(drawn.mean(axis=0), 1 / count, atol=error)
    assert np.allclose(drawn.var(axis=0), variance, rtol=0.12)


def test_its_ends_are_alike_and_all_in_one_hand() -> None:
    assert np.allclose(dirichlet(1e9, 5, seed=0, name="a"), 0.2, atol=1e-3)
    assert max(dirichlet(1e-4, 5, seed=0, name="a")) > 0.999


def test_seed_and_name_decide() -> None:
    first = dirichlet(0.5, 5, seed=3, name="sizes")
    assert first == dirichlet(0.5, 5, seed=3, name="sizes")
    assert first != dirichlet(0.5, 5, seed=4, name="sizes")
    assert first != dirichlet(0.5, 5, seed=3, name="labels")
    assert first == pytest.approx(
        [0.10494673684, 0.01729195299, 0.25203693503, 0.60464383459, 0.02108054055]
    )
