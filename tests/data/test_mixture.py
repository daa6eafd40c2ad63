"""Mixing strata by temperature, batches of one group: pure functions of (seed, epoch)."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from medfm_cli.data.mixture import GroupsInOrder, MixturePlan, Strata, apportion


@st.composite
def plans(draw: st.DrawFn, **fixed: Any) -> MixturePlan:
    """Mixtures of up to 4 strata and 3 groups, more or less unlike in size."""
    count = draw(st.integers(4, 150))
    code = st.integers(0, draw(st.integers(0, 3)))
    codes = np.unique(draw(st.lists(code, min_size=count, max_size=count)), return_inverse=True)[1]
    group = st.integers(0, draw(st.integers(0, 2)))
    groups = np.unique(draw(st.lists(group, min_size=count, max_size=count)), return_inverse=True)[
        1
    ]
    values = {
        "groups": groups.astype(np.int64),
        "strata": Strata(
            codes.astype(np.int64),
            tuple(f"s{index}" for index in range(codes.max() + 1)),
            draw(st.sampled_from([0.0, 0.3, 0.5, 1.0])),
        ),
        "global_batch": draw(st.integers(1, min(20, count))),
        "seed": draw(st.integers(0, 2**32)),
    }
    return MixturePlan(**(values | fixed))


def changed(plan: MixturePlan, **values: Any) -> MixturePlan:
    names = ("groups", "strata", "global_batch", "seed", "rank", "world")
    return MixturePlan(**({name: getattr(plan, name) for name in names} | values))


def taken(plan: MixturePlan | GroupsInOrder, start: int, stop: int) -> list[list[int]]:
    return [positions.tolist() for positions in plan.steps(start, stop)]


def draws(plan: MixturePlan, epochs: int) -> np.ndarray:
    """How often each sample came in the first epochs."""
    batches = taken(plan, 0, epochs * plan.steps_per_epoch)
    return np.bincount(list(itertools.chain(*batches)), minlength=len(plan.groups))


@given(plans())
def test_every_batch_is_full_and_of_one_group(plan: MixturePlan) -> None:
    for batch in taken(plan, 0, 2 * plan.steps_per_epoch):
        assert len(batch) == plan.global_batch
        assert len(set(plan.groups[batch].tolist())) == 1


@given(plans())
def test_groups_get_their_part_of_the_batches(plan: MixturePlan) -> None:
    shares = plan.strata.shares
    counts = plan.strata.counts
    wanted = [
        sum(shares[code] / counts[code] for code in plan.strata.codes[plan.groups == group])
        for group in range(plan.groups.max() + 1)
    ]
    total = plan.steps_per_epoch
    assert total == max(len(wanted), len(plan.groups) // plan.global_batch)
    if min(wanted) * total >= 1:  # else a group gets more than its part, one batch
        assert np.abs(np.asarray(plan.batches) - total * np.asarray(wanted)).max() < 1


@given(plans())
def test_the_excess_of_a_group_is_what_is_drawn_over_what_should_be(plan: MixturePlan) -> None:
    shares, counts, codes = plan.strata.shares, plan.strata.counts, plan.strata.codes
    came = np.bincount(plan.groups, weights=draws(plan, 1))
    wanted = np.bincount(plan.groups, weights=(shares / counts)[codes]) * came.sum()
    assert plan.excess == pytest.approx(came / wanted)


@given(plans(), st.integers(1, 3))
def test_strata_reach_their_share_within_rounding(plan: MixturePlan, epochs: int) -> None:
    plan = changed(plan, groups=np.zeros(len(plan.groups), dtype=np.int64))
    total = plan.steps_per_epoch * plan.global_batch
    wanted = total * plan.strata.shares
    assume(wanted.min() >= 1)
    found = np.bincount(plan.strata.codes, weights=draws(plan, epochs))
    assert found.tolist() == (epochs * plan.draw_counts).tolist()
    assert np.abs(plan.draw_counts - wanted).max() < 1


@given(plans(), st.integers(1, 4))
def test_samples_of_a_cell_are_drawn_equally_often(plan: MixturePlan, epochs: int) -> None:
    counts = draws(plan, epochs)
    for cell in itertools.chain(*plan.cells):
        assert np.ptp(counts[cell.members]) <= 1


@given(plans())
def test_nothing_is_skipped_at_temperature_one(plan: MixturePlan) -> None:
    strata = Strata(plan.strata.codes, plan.strata.names, 1.0)
    plan = changed(plan, strata=strata)
    left_out = len(plan.groups) % plan.global_batch + plan.global_batch * len(plan.batches)
    quotas = [cell.quota for cell in itertools.chain(*plan.cells)]
    assume(min(quotas) > 0)
    epochs = max(-(-len(cell.members) // cell.quota) for cell in itertools.chain(*plan.cells))
    assert draws(plan, epochs).min() >= 1
    assert (draws(plan, 1) == 0).sum() <= left_out + len(quotas)


@given(plans(), st.integers(1, 6))
def test_ranks_share_out_the_same_global_batches(plan: MixturePlan, world: int) -> None:
    stop = 2 * plan.steps_per_epoch
    ranks = [taken(changed(plan, rank=rank, world=world), 0, stop) for rank in range(world)]
    joined = [list(itertools.chain(*parts)) for parts in zip(*ranks, strict=True)]
    assert joined == taken(plan, 0, stop)


@given(plans(), st.data())
def test_resuming_anywhere_goes_on_as_if_nothing_had_happened(
    plan: MixturePlan, data: st.DataObject
) -> None:
    stop = data.draw(st.integers(0, 3 * plan.steps_per_epoch))
    start = data.draw(st.integers(0, stop))
    assert taken(changed(plan), start, stop) == taken(plan, 0, stop)[start:]


def test_another_seed_and_another_epoch_are_another_order() -> None:
    codes = np.repeat([0, 1], [90, 10])
    plan = MixturePlan(
        groups=np.zeros(100, dtype=np.int64),
        strata=Strata(codes, ("many", "few"), 0.5),
        global_batch=10,
    )
    first = taken(plan, 0, 10)
    assert first != taken(changed(plan, seed=1), 0, 10)
    assert first != taken(plan, 10, 20)


def test_the_mixture_is_this_one_for_ever() -> None:
    """A run must resume in the order it began with, whatever becomes newer."""
    plan = MixturePlan(
        groups=np.asarray([0, 0, 0, 0, 1, 1, 0, 0]),
        strata=Strata(np.asarray([0, 0, 0, 0, 0, 1, 1, 0]), ("a", "b"), 0.5),
        global_batch=3,
        seed=7,
    )
    assert taken(plan, 4, 6) == EVER


EVER = [[5, 4, 5], [3, 6, 0]]


@pytest.mark.parametrize(
    ("temperature", "expected"), [(1.0, [0.9, 0.1]), (0.5, [0.75, 0.25]), (0.0, [0.5, 0.5])]
)
def test_the_shares_are_powers_of_the_counts(temperature: float, expected: list[float]) -> None:
    strata = Strata(np.repeat([0, 1], [900, 100]), ("many", "few"), temperature)
    assert strata.shares.tolist() == pytest.approx(expected)
    plan = MixturePlan(groups=np.zeros(1000, dtype=np.int64), strata=strata, global_batch=50)
    assert plan.draw_counts.tolist() == [round(1000 * share) for share in expected]


@given(st.integers(0, 200), st.lists(st.floats(0.01, 10), min_size=1, max_size=8))
def test_apportioned_numbers_sum_up(total: int, weights: list[float]) -> None:
    for least in (0, 1):
        parts = apportion(total, np.asarray(weights), least=least)
        assert parts.sum() == total
        assert parts.min() >= min(least, total // len(weights))


@given(st.lists(st.integers(0, 2), min_size=1, max_size=40), st.integers(1, 12))
def test_in_order_everything_comes_once(groups: list[int], batch: int) -> None:
    plan = GroupsInOrder(groups=np.asarray(groups), global_batch=batch)
    batches = taken(plan, 0, plan.steps_per_epoch)
    assert sorted(itertools.chain(*batches)) == list(range(len(groups)))
    assert all(len({groups[position] for position in each}) == 1 for each in batches)
    assert all(each == sorted(each) and len(each) <= batch for each in batches)
