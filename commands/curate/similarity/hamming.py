"""All pairs of 64-bit hashes that differ in few bits, exactly and without comparing every pair.

Pigeonhole: split the bits into `d + k` blocks; two hashes that differ in at most d bits agree on
at least k whole blocks. So for every choice of k blocks, only hashes that agree on them need to be
compared: sort by those bits, and look inside the runs (after Manku et al. 2007, "Detecting
near-duplicates for web crawling", §3; the choices are taken one at a time, none is stored). A pair
is found by every choice it agrees on and given by the first of them alone.

Sorting and comparing are numpy's, which lets go of the interpreter's lock: choices run in threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]
BITS = 64
_SMALL = 2048  # hashes that are quickest compared each with each
_AT_ONCE = 1 << 16  # comparisons in one go: what stays in the processor's cache
_LONG = 512  # hashes sharing a key from which they are compared as a table
_CHECKED = 4096  # pairs that are checked in one go, at least
_LARGE = 200_000  # hashes from which one more block is worth its sorting
_FARTHEST = 10  # bits; beyond, runs are so long and choices so many that nothing is saved


class Pairs(NamedTuple):
    """Pairs of hashes: places in the left and right array, int64 `[P]`, and differing bits."""

    left: Places
    right: Places
    distance: NDArray[np.uint8]


Keep = Callable[[Pairs], NDArray[np.bool_]]
"""Says of candidate pairs which to keep; called from several threads."""


def near_pairs(
    hashes: Hashes, distance: int, *, keep: Keep | None = None, threads: int = 2
) -> Iterator[Pairs]:
    """Every pair `left < right` of hashes that differ in at most `distance` bits, once.

    Hashes should be distinct (see `distinct`): of n equal ones all n²/2 pairs are given.
    The order of the pairs depends on nothing but the hashes.

    Args:
        hashes: uint64 `[N]`.
        distance: 0 … 63.
        keep: a further check; what it refuses is never held together in memory.
        threads: choices that are worked on at a time, each with about 40 N bytes.
    """
    yield from _search(hashes, None, distance, keep, threads)


def near_across(
    left: Hashes, right: Hashes, distance: int, *, keep: Keep | None = None, threads: int = 2
) -> Iterator[Pairs]:
    """Every pair of a left and a right hash that differ in at most `distance` bits, once."""
    yield from _search(left, right, distance, keep, threads)


def distinct(hashes: Hashes) -> tuple[Hashes, Places, Places]:
    """The distinct hashes in ascending order, and who has them.

    Returns:
        The hashes `[D]`; the places of all `[N]` hashes, those of equal ones together and in
        order; where those of each distinct hash begin, `[D + 1]`.
    """
    order = np.argsort(hashes, kind="stable")
    values = hashes[order]
    new = np.ones(len(values), dtype=bool)
    new[1:] = values[1:] != values[:-1]
    starts = np.append(np.flatnonzero(new), len(values))
    return values[starts[:-1]], order, starts


@dataclass(frozen=True)
class _Plan:
    """The bits in blocks, of which `kept` are chosen in every possible way; none: one table."""

    masks: tuple[int, ...] = ()
    kept: int = 0

    @classmethod
    def of(cls, distance: int, kept: int) -> _Plan:
        """Every `distance + kept`-th bit in a block, so that neighbours are spread over them."""
        if not kept:
            return cls()
        count = distance + kept
        masks = [sum(1 << bit for bit in range(block, BITS, count)) for block in range(count)]
        return cls(tuple(masks), kept)

    def choices(self) -> list[tuple[int, ...]]:
        """Every choice of blocks."""
        return list(combinations(range(len(self.masks)), self.kept))


def _search(
    left: Hashes, right: Hashes | None, distance: int, keep: Keep | None, threads: int
) -> Iterator[Pairs]:
    """Work through the choices in threads, and give what each finds in their order."""
    if not 0 <= distance < BITS:
        raise ValueError(f"a distance of {distance} bits")
    count = len(left) if right is None else max(len(left), len(right))
    plan = _Plan.of(distance, _kept_blocks(count, distance))
    waiting: deque[Future[list[Pairs]]] = deque()
    with ThreadPoolExecutor(max(1, threads)) as pool:
        try:
            for choice in plan.choices():
                waiting.append(pool.submit(_choice, left, right, plan, choice, distance, keep))
                if len(waiting) > threads:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _kept_blocks(count: int, distance: int) -> int:
    """How many blocks a choice keeps, 0 where comparing each with each costs no more.

    More blocks make shorter runs and more sorting. Measured on random hashes and on hashes that are
    as alike as those of radiographs (`benchmarks/near_duplicates.py`).
    """
    if count <= _SMALL or distance > _FARTHEST:
        return 0
    if distance < 4:
        return 1
    return 2 if count < _LARGE else 3


def _choice(
    left: Hashes,
    right: Hashes | None,
    plan: _Plan,
    choice: tuple[int, ...],
    distance: int,
    keep: Keep | None,
) -> list[Pairs]:
    """The pairs that this choice of blocks is the first to find."""
    width = max(len(left), len(left if right is None else right), 2).bit_length()
    mine = _sorted(left, plan, choice, width)
    theirs = mine if right is None else _sorted(right, plan, choice, width)
    first = _first_found_by(plan, choice)
    found = _Kept(keep)
    for i, j, bits in _close(mine, theirs, distance, first):
        i, j = mine.order[i], theirs.order[j]
        if right is None:
            i, j = np.minimum(i, j), np.maximum(i, j)
        found.add(Pairs(i, j, np.bitwise_count(bits)))
    return found.all()


class _Kept:
    """Pairs, some thousands of which are checked at a time."""

    def __init__(self, keep: Keep | None) -> None:
        self._keep = keep
        self._new: list[Pairs] = []
        self._count = 0
        self._kept: list[Pairs] = []

    def add(self, pairs: Pairs) -> None:
        self._new.append(pairs)
        self._count += len(pairs.left)
        if self._count >= _CHECKED:
            self._check()

    def all(self) -> list[Pairs]:
        self._check()
        return self._kept

    def _check(self) -> None:
        if not self._count:
            return
        pairs = Pairs(*(np.concatenate(part) for part in zip(*self._new, strict=True)))
        self._new, self._count = [], 0
        if self._keep is not None:
            kept = self._keep(pairs)
            pairs = Pairs(pairs.left[kept], pairs.right[kept], pairs.distance[kept])
        if len(pairs.left):
            self._kept.append(pairs)


class _Sorted(NamedTuple):
    """Hashes in the order of their keys, their places, and where each key begins."""

    hashes: Hashes
    order: Places
    keys: Hashes
    starts: Places


def _sorted(hashes: Hashes, plan: _Plan, choice: tuple[int, ...], width: int) -> _Sorted:
    """Sort by the bits of the chosen blocks.

    Key and place (of `width` bits) share one number, so that numbers are sorted and no places:
    three times faster.
    """
    keys = _key(hashes, [plan.masks[block] for block in choice], BITS - width)
    both = keys << np.uint64(width) | np.arange(len(hashes), dtype=np.uint64)
    both.sort()
    order = (both & np.uint64((1 << width) - 1)).astype(np.int64)
    both >>= np.uint64(width)
    new = np.ones(len(both), dtype=bool)
    np.not_equal(both[1:], both[:-1], out=new[1:])
    starts = np.flatnonzero(new)
    return _Sorted(hashes[order], order, both[starts], np.append(starts, len(both)))


def _key(hashes: Hashes, masks: list[int], width: int) -> Hashes:
    """The masked bits, mixed into `width` bits.

    Different bits may, seldom, give the same key: it costs a comparison and loses nothing.
    """
    mask = np.uint64(sum(masks))
    mixed = (hashes & mask) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    found: Hashes = mixed >> np.uint64(BITS - width)
    return found


First = Callable[[Hashes], Places]
"""Of differing bits, the places of those that no earlier choice has found."""


def _first_found_by(plan: _Plan, choice: tuple[int, ...]) -> First:
    """Selects the pairs that this choice is the first to find.

    The first choice to find a pair is that of its first `kept` equal blocks.
    """
    chosen = np.uint64(sum(plan.masks[block] for block in choice))
    earlier = [plan.masks[b] for b in range(max(choice, default=0)) if b not in choice]

    def first(bits: Hashes) -> Places:
        fresh = np.flatnonzero((bits & chosen) == 0)
        for mask in earlier:  # most pairs were found before: each mask leaves fewer to look at
            fresh = fresh[(bits[fresh] & np.uint64(mask)) != 0]
        return fresh

    return first


def _close(
    mine: _Sorted, theirs: _Sorted, distance: int, first: First
) -> Iterator[tuple[Places, Places, Hashes]]:
    """New pairs of places in runs of the same key that are close, with the bits that differ."""
    begins, ends = mine.starts[:-1], mine.starts[1:]
    if mine is theirs:
        others, stops = begins, ends
        shared = np.flatnonzero(ends - begins > 1)
    else:
        run = np.minimum(np.searchsorted(theirs.keys, mine.keys), len(theirs.keys) - 1)
        others, stops = theirs.starts[run], theirs.starts[run + 1]
        shared = np.flatnonzero(theirs.keys[run] == mine.keys) if len(theirs.keys) else run[:0]
    runs = np.stack([begins, ends, others, stops], axis=1)[shared]
    long = np.minimum(runs[:, 1] - runs[:, 0], runs[:, 3] - runs[:, 2]) >= _LONG
    yield from _in_short(mine, theirs, runs[~long], distance, first)
    for begin, end, other, stop in runs[long].tolist():
        yield from _in_table(mine, theirs, (begin, end), (other, stop), distance, first)


def _in_short(
    mine: _Sorted, theirs: _Sorted, runs: Places, distance: int, first: First
) -> Iterator[tuple[Places, Places, Hashes]]:
    """Compare within many short runs: every place with the others of its run, after it."""
    sizes = runs[:, 1] - runs[:, 0]
    places = _ranges(runs[:, 0], sizes)
    stops = np.repeat(runs[:, 3], sizes)
    others = places + 1 if mine is theirs else np.repeat(runs[:, 2], sizes)
    counts = stops - others
    done = np.concatenate([[0], np.cumsum(counts)])
    at = 0
    while at < len(places):
        to = max(at + 1, int(np.searchsorted(done, done[at] + _AT_ONCE, side="right")) - 1)
        some = counts[at:to]
        right = _ranges(others[at:to], some)
        bits = np.repeat(mine.hashes[places[at:to]], some) ^ theirs.hashes[right]
        near = np.flatnonzero(np.bitwise_count(bits) <= distance)
        near = near[first(bits[near])] if len(near) else near
        if len(near):
            left = places[at + np.searchsorted(np.cumsum(some), near, side="right")]
            yield left, right[near], bits[near]
        at = to


def _in_table(
    mine: _Sorted,
    theirs: _Sorted,
    rows: tuple[int, int],
    columns: tuple[int, int],
    distance: int,
    first: First,
) -> Iterator[tuple[Places, Places, Hashes]]:
    """Compare a long run as a table, a part of it at a time."""
    side = 1 << (_AT_ONCE.bit_length() // 2)
    for row in range(rows[0], rows[1], side):
        left = mine.hashes[row : min(row + side, rows[1])]
        for column in range(row if mine is theirs else columns[0], columns[1], side):
            bits = left[:, None] ^ theirs.hashes[column : min(column + side, columns[1])]
            width, bits = bits.shape[1], bits.reshape(-1)
            near = np.flatnonzero(np.bitwise_count(bits) <= distance)
            near = near[first(bits[near])] if len(near) else near
            i, j = np.divmod(near, width)
            if mine is theirs and column == row:
                near, i, j = near[i < j], i[i < j], j[i < j]
            if len(near):
                yield i + row, j + column, bits[near]


def _ranges(starts: Places, counts: Places) -> Places:
    """The numbers `start … start + count − 1` of all, one after the other."""
    if not len(starts):
        return np.zeros(0, dtype=np.int64)
    ends = np.cumsum(counts)
    found: Places = np.arange(ends[-1]) + np.repeat(starts - (ends - counts), counts)
    return found
