"""Settling `auto`: batch, steps, learning rate, checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_tools import new_run

from medfm_cli.errors import DataError, UsageError
from medfm_cli.training.options import TrainingKeys, choose_batch, resolve_options


def _batch(samples: int, world: int = 1, **keys: Any) -> int:
    return choose_batch(TrainingKeys(**keys), samples=samples, world=world)


@pytest.mark.parametrize(
    ("samples", "batch"), [(1, 1), (5, 5), (100, 16), (426, 64), (1024, 256), (10**6, 256)]
)
def test_auto_batch_grows_with_the_samples(samples: int, batch: int) -> None:
    assert _batch(samples) == batch


@given(st.integers(1, 5000), st.integers(1, 4), st.integers(1, 4))
def test_a_settled_batch_divides_and_is_never_larger_than_the_data(
    samples: int, world: int, accumulate: int
) -> None:
    if samples < world * accumulate:
        with pytest.raises(DataError):
            _batch(samples, world, accumulate=accumulate)
        return
    batch = _batch(samples, world, accumulate=accumulate)
    assert batch % (world * accumulate) == 0
    assert 1 <= batch <= samples


def test_auto_batch_is_the_same_on_one_and_two_processes() -> None:
    assert all(_batch(samples) == _batch(samples, 2) for samples in range(16, 3000, 7))


def test_a_batch_that_does_not_divide_is_refused_with_a_way_out() -> None:
    with pytest.raises(UsageError, match=r"batch of 9 .*2 processes") as error:
        _batch(100, 2, batch=9)
    assert error.value.hint is not None and "multiple of 2" in error.value.hint


def test_a_batch_larger_than_the_data_shrinks_and_says_so(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    options = resolve_options(TrainingKeys(batch=64, epochs=3), run, seed=0, samples=40)
    assert (options.batch, options.steps) == (40, 3)
    assert "40" in run.resolved["batch"]["why"]


def test_every_auto_is_recorded_with_its_reason(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    keys = TrainingKeys(epochs=2.5, schedule={"warmup": 0.1})  # type: ignore[arg-type]
    options = resolve_options(keys, run, seed=3, samples=1000)
    assert options.batch == 128
    assert options.steps == round(2.5 * 7)
    assert options.learning_rate == pytest.approx(1.5e-4 * 128 / 256)
    assert options.warmup_steps == 2
    assert options.checkpoint_steps == 2
    assert set(run.resolved) == {
        "batch",
        "steps",
        "optimiser.learning_rate",
        "checkpoints.every_steps",
    }
    assert all(entry["why"] for entry in run.resolved.values())


@pytest.mark.parametrize(
    ("keys", "rate", "why"),
    [
        ({}, 1e-3 * 64 / 256, "0.001 × 64 / 256"),
        ({"base_batch": 1024}, 1e-3 * 64 / 1024, "0.001 × 64 / 1024"),
        ({"base_batch": 1024, "scaling": "sqrt"}, 1e-3 / 4, "0.001 × √(64 / 1024)"),
    ],
)
def test_the_rate_grows_with_the_batch_by_the_chosen_rule(
    keys: dict[str, Any], rate: float, why: str, tmp_path: Path
) -> None:
    run = new_run(tmp_path)
    own = TrainingKeys.model_validate(
        {"batch": 64, "optimiser": {"base_learning_rate": 1e-3} | keys}
    )
    assert resolve_options(own, run, seed=0, samples=1000).learning_rate == pytest.approx(rate)
    assert run.resolved["optimiser.learning_rate"]["why"] == why


def test_given_values_are_kept(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    keys = TrainingKeys.model_validate(
        {"batch": 10, "steps": 7, "optimiser": {"learning_rate": 0.5}}
    )
    options = resolve_options(keys, run, seed=0, samples=1000)
    assert (options.batch, options.steps, options.learning_rate) == (10, 7, 0.5)
    assert set(run.resolved) == {"checkpoints.every_steps"}
