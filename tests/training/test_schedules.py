"""The learning rate, by hand."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.training.schedules import cosine, cosine_between


def test_warms_up_in_a_straight_line_to_the_peak() -> None:
    rates = [cosine(step, steps=100, warmup=4) for step in range(5)]
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_falls_as_half_a_cosine() -> None:
    assert cosine(50, steps=100, warmup=0) == pytest.approx(0.5)
    assert cosine(25, steps=100, warmup=0) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert cosine(99, steps=100, warmup=0) == pytest.approx(
        0.5 * (1 + math.cos(math.pi * 0.99)), abs=1e-12
    )


def test_ends_at_the_final_factor() -> None:
    assert cosine(10, steps=10, warmup=2, final=0.1) == pytest.approx(0.1)
    assert cosine(6, steps=10, warmup=2, final=0.1) == pytest.approx(0.1 + 0.9 * 0.5)


@given(st.integers(1, 500), st.floats(0, 0.99), st.floats(0, 1))
def test_stays_between_zero_and_the_peak_and_only_falls_after_warm_up(
    steps: int, part: float, final: float
) -> None:
    warmup = round(part * steps)
    rates = [cosine(step, steps=steps, warmup=warmup, final=final) for step in range(steps)]
    assert all(0 < rate <= 1 + 1e-12 or final == 0 for rate in rates)
    after = rates[warmup:]
    assert all(a >= b - 1e-12 for a, b in itertools.pairwise(after))


def test_between_two_values_along_half_a_cosine() -> None:
    values = [cosine_between(step, steps=4, start=0.04, final=0.4) for step in range(6)]
    root = math.cos(math.pi / 4)
    expected = [0.04, 0.22 - 0.18 * root, 0.22, 0.22 + 0.18 * root, 0.4, 0.4]
    assert values == pytest.approx(expected)
