"""Numbers that depend on the step alone."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.training.randomness import StepRandom, derive, seed_model_noise

CPU = torch.device("cpu")


def _random(seed: int = 1, step: int = 2, batch: int = 8) -> StepRandom:
    return StepRandom(seed=seed, step=step, batch=batch, device=CPU)


def test_equal_for_equal_seed_step_and_purpose_and_for_nothing_else() -> None:
    first = _random().uniform("mask", 3)
    assert torch.equal(first, _random().uniform("mask", 3))
    for other in (
        _random(seed=2).uniform("mask", 3),
        _random(step=3).uniform("mask", 3),
        _random().uniform("crop", 3),
        _random().normal("mask", 3),
    ):
        assert not torch.equal(first, other)


@given(st.integers(1, 4), st.integers(1, 4))
def test_processes_and_parts_see_their_rows_of_the_whole(world: int, parts: int) -> None:
    size = 3
    batch = world * parts * size
    whole = _random(batch=batch).normal("noise", 2)
    pieces = [
        _random(batch=batch).part(start, start + size).normal("noise", 2)
        for start in range(0, batch, size)
    ]
    assert torch.equal(whole, torch.cat(pieces))


def test_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    _random().uniform("mask", 3)
    assert torch.equal(torch.rand(3), expected)


def test_noise_inside_a_model_depends_on_the_step_too() -> None:
    seed_model_noise(1, 2, 0)
    first = torch.rand(3)
    torch.rand(10)
    seed_model_noise(1, 2, 0)
    assert torch.equal(torch.rand(3), first)
    seed_model_noise(1, 3, 0)
    assert not torch.equal(torch.rand(3), first)


def test_derived_seeds_do_not_run_into_each_other() -> None:
    assert derive(1, 23) != derive(12, 3)
    assert len({derive(seed, step, "a") for seed in range(30) for step in range(30)}) == 900
    assert 0 <= derive(0) < 2**63
