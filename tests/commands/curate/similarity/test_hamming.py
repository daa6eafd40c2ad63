"""Every pair that brute force finds, once, whatever the hashes look like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from medfm_cli.commands.curate.similarity import hamming
from medfm_cli.commands.curate.similarity.hamming import Pairs, distinct, near_across, near_pairs

Hashes = NDArray[np.uint64]
anything = st.integers(0, 2**64 - 1)


@st.composite
def clumped(draw: st.DrawFn) -> Hashes:
    """Hashes around a few centres, with a few to many bits changed."""
    centres = draw(arrays(np.uint64, draw(st.integers(1, 4)), elements=anything))
    seed, count = draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 120))
    return near(np.random.default_rng(seed), centres, count, draw(st.integers(0, 12)))


def near(generator: np.random.Generator, centres: Hashes, count: int, changes: int) -> Hashes:
    hashes = centres[generator.integers(len(centres), size=count)]
    for _ in range(changes):
        hashes = hashes ^ np.uint64(1) << generator.integers(64, size=count, dtype=np.uint64)
    return hashes


def brute(left: Hashes, right: Hashes | None, distance: int) -> set[tuple[int, int, int]]:
    others = left if right is None else right
    apart = np.bitwise_count(left[:, None] ^ others)
    pairs = zip(*np.nonzero(apart <= distance), strict=True)
    return {(int(i), int(j), int(apart[i, j])) for i, j in pairs if right is not None or i < j}


def listed(found: list[Pairs]) -> list[tuple[int, int, int]]:
    return [each for pairs in found for each in zip(*(p.tolist() for p in pairs), strict=True)]


@pytest.fixture(params=["as it is", "two blocks", "three blocks"], autouse=True, scope="module")
def small(request: pytest.FixtureRequest) -> None:
    """Small sets would all be compared as one table: try them the other way as well."""
    patch = pytest.MonkeyPatch()
    request.addfinalizer(patch.undo)
    if request.param != "as it is":
        patch.setattr(hamming, "_SMALL", 1)
        patch.setattr(hamming, "_FARTHEST", 20 if request.param == "two blocks" else 10)
        patch.setattr(hamming, "_LARGE", 1 << 40 if request.param == "two blocks" else 1)
        patch.setattr(hamming, "_LONG", 20)
        patch.setattr(hamming, "_AT_ONCE", 64)


@settings(max_examples=40)
@given(clumped(), st.sampled_from([0, 1, 3, 8, 10, 20, 63]))
def test_pairs_are_those_of_brute_force(hashes: Hashes, distance: int) -> None:
    found = listed(list(near_pairs(hashes, distance)))
    assert len(found) == len(set(found))
    assert set(found) == brute(hashes, None, distance)


@settings(max_examples=40)
@given(clumped(), clumped(), st.sampled_from([0, 2, 8, 11, 40]))
def test_across_two_sets(left: Hashes, right: Hashes, distance: int) -> None:
    right = np.concatenate([right, left[: len(left) // 2] ^ np.uint64(5)])
    found = listed(list(near_across(left, right, distance)))
    assert len(found) == len(set(found))
    assert set(found) == brute(left, right, distance)


@pytest.mark.parametrize("distance", [4, 8])
def test_many_hashes(distance: int) -> None:
    generator = np.random.default_rng(distance)
    hashes = generator.integers(0, 2**63, 6000, dtype=np.uint64)
    hashes = np.concatenate([hashes, near(generator, hashes[:50], 4000, distance)])
    found = listed(list(near_pairs(hashes, distance)))
    assert len(found) == len(set(found)) > 1000
    assert set(found) == brute(hashes, None, distance)


def test_order_does_not_depend_on_threads() -> None:
    hashes = near(np.random.default_rng(0), np.arange(9, dtype=np.uint64), 5000, 9)
    one, three = (listed(list(near_pairs(hashes, 6, threads=n))) for n in (1, 3))
    assert one == three


def test_what_is_refused_is_not_given() -> None:
    hashes = near(np.random.default_rng(1), np.arange(3, dtype=np.uint64), 3000, 9)
    everything = listed(list(near_pairs(hashes, 5)))
    found = listed(list(near_pairs(hashes, 5, keep=lambda pairs: pairs.left % 2 == 0)))
    assert found == [pair for pair in everything if pair[0] % 2 == 0]


@given(arrays(np.uint64, st.integers(0, 40), elements=st.integers(0, 9)))
def test_distinct_hashes_and_who_has_them(hashes: Hashes) -> None:
    values, order, starts = distinct(hashes)
    assert values.tolist() == sorted(set(hashes.tolist()))
    for value, start, end in zip(values, starts[:-1], starts[1:], strict=True):
        assert order[start:end].tolist() == np.flatnonzero(hashes == value).tolist()


@pytest.mark.parametrize("distance", [-1, 64])
def test_a_distance_that_cannot_be(distance: int) -> None:
    with pytest.raises(ValueError, match="distance"):
        list(near_pairs(np.zeros(2, np.uint64), distance))


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_to_pair(count: int) -> None:
    hashes = np.zeros(count, np.uint64)
    assert list(near_pairs(hashes, 8)) == []
    assert listed(list(near_across(hashes, np.zeros(2, np.uint64), 8))) == [
        (0, i, 0) for i in range(2 * count)
    ]
