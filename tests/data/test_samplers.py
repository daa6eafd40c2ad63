"""The order of samples: a function of (seed, epoch), the same for any number of processes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from medfm_cli.data.samplers import BatchPlan, epoch_order, fitting_batch

PLANS = st.fixed_dictionaries(
    {
        "count": st.integers(1, 60),
        "global_batch": st.integers(1, 60),
        "seed": st.integers(0, 2**32),
        "shuffle": st.booleans(),
        "drop_last": st.booleans(),
    }
)


def plan(values: dict[str, Any], **more: Any) -> BatchPlan:
    batch = fitting_batch(values["global_batch"], values["count"])
    return BatchPlan(**{**values, "global_batch": batch}, **more)


def taken(plan: BatchPlan, start: int, stop: int) -> list[list[int]]:
    return [positions.tolist() for positions in plan.steps(start, stop)]


@given(PLANS, st.integers(0, 5))
def test_an_epoch_takes_every_sample_at_most_once(values: dict[str, Any], epoch: int) -> None:
    whole = plan(values)
    steps = whole.steps_per_epoch
    batches = taken(whole, epoch * steps, (epoch + 1) * steps)
    seen = list(itertools.chain.from_iterable(batches))
    assert len(batches) == steps >= 1
    assert len(seen) == len(set(seen)) <= whole.count
    if values["drop_last"]:
        assert {len(batch) for batch in batches} == {whole.global_batch}
        assert whole.count - len(seen) < whole.global_batch
    else:
        assert sorted(seen) == list(range(whole.count))


@given(PLANS, st.integers(1, 8))
def test_ranks_share_out_the_same_global_batches(values: dict[str, Any], world: int) -> None:
    one = plan(values)
    stop = 2 * one.steps_per_epoch
    ranks = [taken(plan(values, rank=rank, world=world), 0, stop) for rank in range(world)]
    joined = [list(itertools.chain(*parts)) for parts in zip(*ranks, strict=True)]
    assert joined == taken(one, 0, stop)
    for parts in zip(*ranks, strict=True):
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1


@given(PLANS, st.data())
def test_resuming_anywhere_goes_on_as_if_nothing_had_happened(
    values: dict[str, Any], data: st.DataObject
) -> None:
    whole = plan(values)
    stop = data.draw(st.integers(0, 3 * whole.steps_per_epoch))
    start = data.draw(st.integers(0, stop))
    assert taken(whole, start, stop) == taken(whole, 0, stop)[start:]


@given(st.integers(2, 500), st.integers(0, 2**63), st.integers(0, 2**40))
def test_an_order_is_a_permutation_and_does_not_change(count: int, seed: int, epoch: int) -> None:
    order = epoch_order(count, seed=seed, epoch=epoch)
    assert sorted(order.tolist()) == list(range(count))
    assert order.tolist() == epoch_order(count, seed=seed, epoch=epoch).tolist()


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_seeds_and_epochs_give_different_orders(seed: int, epoch: int) -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return epoch_order(64, seed=seed, epoch=epoch).tolist()

    assert order(seed, epoch) != order(seed, epoch + 1)
    assert order(seed, epoch) != order(seed + 1, epoch)
    assume(seed != epoch)
    assert order(seed, epoch) != order(epoch, seed)


def test_the_order_is_this_one_for_ever() -> None:
    """A run must resume in the order it began with when NumPy becomes newer."""
    assert epoch_order(12, seed=7, epoch=3).tolist() == [2, 5, 9, 7, 3, 0, 6, 8, 4, 1, 11, 10]


def test_every_position_is_equally_likely_to_come_first() -> None:
    firsts = [epoch_order(8, seed=seed, epoch=0)[0] for seed in range(4000)]
    counts = np.bincount(firsts, minlength=8)
    assert abs(counts - 500).max() < 5 * np.sqrt(500)


def test_a_batch_larger_than_the_data_is_shrunk() -> None:
    found = [fitting_batch(256, count) for count in (1, 7, 8, 30, 255, 256, 300)]
    assert found == [1, 7, 8, 24, 248, 256, 256]
