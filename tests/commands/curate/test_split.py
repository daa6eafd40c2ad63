"""No subject on two sides, shares and labels as near as the groups allow, the same by seed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.commands.curate.split import Group, deal

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
groups_ = st.dictionaries(
    st.text(max_size=8),
    st.builds(Group, st.integers(1, 30), st.sampled_from(["a", "b", "c", None])),
    max_size=80,
)
shares_ = st.sampled_from(
    [SHARES, {"train": 0.5, "val": 0.25, "test": 0.25}, {"train": 0.8, "val": 0.0, "test": 0.2}]
)


def sizes(groups: dict[str, Group], sides: dict[str, str]) -> Counter[str]:
    count: Counter[str] = Counter()
    for name, side in sides.items():
        count[side] += groups[name].size
    return count


@given(groups_, shares_, st.integers(0, 9))
def test_every_group_has_one_side_and_shares_hold_but_for_the_largest_group(
    groups: dict[str, Group], shares: dict[str, float], seed: int
) -> None:
    sides = deal(groups, shares, seed=seed)
    assert sides.keys() == groups.keys()
    assert {shares[side] > 0 for side in sides.values()} <= {True}
    total = sum(group.size for group in groups.values())
    largest = max((group.size for group in groups.values()), default=0)
    count = sizes(groups, sides)
    for side, share in shares.items():
        assert count[side] <= share * total + largest + 1e-9
        assert count[side] >= share * total - 2 * largest - 1e-9


@given(groups_, st.integers(0, 9))
def test_no_side_is_empty_when_there_are_enough_groups(groups: dict[str, Group], seed: int) -> None:
    sides = deal(groups, SHARES, seed=seed)
    if len(groups) >= 3:
        assert set(sides.values()) == {"train", "val", "test"}


@given(groups_, st.integers(0, 9), st.randoms())
def test_the_order_in_which_groups_come_does_not_matter(
    groups: dict[str, Group], seed: int, random: Any
) -> None:
    names = list(groups)
    random.shuffle(names)
    assert deal({n: groups[n] for n in names}, SHARES, seed=seed) == deal(groups, SHARES, seed=seed)


@given(st.integers(20, 200), st.integers(1, 8), st.integers(0, 9))
def test_labels_of_single_images_come_in_proportion(per: int, classes: int, seed: int) -> None:
    groups = {f"{c}-{i}": Group(1, f"class {c}") for c in range(classes) for i in range(per)}
    sides = deal(groups, SHARES, seed=seed)
    for number in range(classes):
        count = Counter(side for name, side in sides.items() if name.startswith(f"{number}-"))
        for side, share in SHARES.items():
            assert abs(count[side] - share * per) <= 2


@pytest.mark.parametrize(("count", "expected"), [(1, {"train"}), (2, {"train", "test"})])
def test_a_label_of_few_subjects_is_learnt_from_first_then_tested(
    count: int, expected: set[str]
) -> None:
    groups = {f"c{i}": Group(1, "common") for i in range(40)}
    groups |= {f"r{i}": Group(1, "rare") for i in range(count)}
    sides = deal(groups, SHARES, seed=0)
    assert {sides[name] for name in groups if name.startswith("r")} == expected


def test_many_rare_labels_do_not_bend_the_shares() -> None:
    groups = {f"{label}-{i}": Group(1, f"{label}") for label in range(100) for i in range(2)}
    count = Counter(deal(groups, SHARES, seed=0).values())
    assert abs(count["train"] - 140) <= 3


def test_another_seed_deals_otherwise() -> None:
    groups = {f"s{i}": Group(1, "a") for i in range(60)}
    assert deal(groups, SHARES, seed=0) != deal(groups, SHARES, seed=1)
