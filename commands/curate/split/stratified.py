"""Deal groups to sides so that every label, and all together, come near their shares.

The groups of a label are dealt in one row, rare labels first and large groups first, each to the
side that is furthest behind its share so far. A second pass then moves what still disturbs. Groups
are read from the catalog one after another; what is remembered is a few numbers a label and a side,
and one byte a subject (two for many clients).
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.split.groups import draw
from medfm_cli.commands.curate.split.strata import Shares, Trait, Traits

LOOKS = 3
"""How often dealt groups are looked at again, at most."""
NEAR = 0.002
"""Shares that are this near are not improved any more."""
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Group:
    """Subjects that stay together: `traits` are pairs (number of the trait, samples with it)."""

    number: int
    size: int
    stratum: int
    traits: tuple[tuple[int, int], ...]


def assign(
    catalog: Catalog, shares: Shares, *, seed: int, pool: int = 0, skewed: bool = False
) -> array[int]:
    """Give every group of a pool a side: 0, 1, … in the order of the shares.

    With the seed, only the order of groups of the same size and label changes. No side gets more
    than its share plus the largest group, and none stays empty while there are enough groups.

    Args:
        catalog: with `members`.
        shares: of each trait → the share of each side, adding up to 1.
        seed: of the order.
        pool: the samples to assign, by `members.side`.
        skewed: whether sides differ in what they are to get. If not, a label with few groups gets
            one on each side first, in the order of the sides and as long as they have room.

    Returns:
        Side by the group's number; −1 for groups that are not of the pool.
    """
    traits = Traits(catalog, pool, shares, skewed=skewed)
    _write_groups(catalog, traits, seed=seed, pool=pool)
    strata = Counter(
        dict(catalog.db.execute("SELECT stratum, count(*) FROM groups GROUP BY stratum").fetchall())
    )
    largest = catalog.one("SELECT max(size) FROM groups") or 0
    assigner = Assigner(traits.traits, Counter() if skewed else strata, largest=largest)
    sides = array("h", [-1]) * ((catalog.one("SELECT max(grp) FROM groups") or 0) + 1)
    ranks = _ranks(traits.traits, strata)
    catalog.db.create_function("rank_of", 1, ranks.__getitem__, deterministic=True)
    for group in read_groups(catalog, "rank_of(stratum), size DESC, draw"):
        sides[group.number] = assigner.give(group)
    for _ in range(LOOKS):
        if assigner.near or not _look_again(catalog, assigner, sides):
            break
    _fill_empty(catalog, assigner, sides)
    return sides


class Assigner:
    """Who has got how much of everything.

    Args:
        traits: the first one being `all`.
        strata: groups by stratum, for labels that are to reach every side.
        largest: size of the largest group.
    """

    def __init__(self, traits: Sequence[Trait], strata: Counter[int], *, largest: int) -> None:
        self.traits = traits
        self.sides = range(len(traits[0].shares))
        self.left = Counter(strata)
        self.count = [[0] * len(self.sides) for _ in traits]
        self.groups = [[0] * len(self.sides) for _ in traits]
        self.done = [0] * len(traits)
        self.largest = largest
        self.target = [[share * t.total for share in t.shares] for t in traits]

    def give(self, group: Group) -> int:
        """Deal one group; gives its side."""
        side = self._lacking(group)
        if side is None:
            side = self._behind(group)
        for trait, count in group.traits:
            self.done[trait] += count
        self._book(group, side, 1)
        return side

    def move(self, group: Group, side: int) -> int:
        """The side where a group disturbs least, which may be that where it is."""
        gains = {other: self._gain(group, side, other) for other in self.sides if other != side}
        best = max(gains, key=lambda other: (round(gains[other], 9), -other), default=side)
        if best == side or gains[best] <= _EPSILON or not self._may_leave(group, side, best):
            return side
        self._book(group, side, -1)
        self._book(group, best, 1)
        return best

    @property
    def near(self) -> bool:
        """Whether every label and the whole have all but their shares."""
        return all(
            abs(count - target) <= max(1.0, NEAR * trait.total)
            for trait, counts, targets in zip(self.traits, self.count, self.target, strict=True)
            for count, target in zip(counts, targets, strict=True)
        )

    def _book(self, group: Group, side: int, sign: int) -> None:
        for trait, count in group.traits:
            self.count[trait][side] += sign * count
            self.groups[trait][side] += sign

    def _lacking(self, group: Group) -> int | None:
        """The side that would stay without this group's label, if it has room."""
        left = self.left[group.stratum]
        self.left[group.stratum] -= 1
        if left < 1 or self.traits[group.stratum].what == "unlabelled":
            return None
        lacking = [side for side in self.sides if not self.count[group.stratum][side]]
        if left > len(lacking):
            return None
        return next((side for side in lacking if self._has_room(side, group.size)), None)

    def _has_room(self, side: int, size: int) -> bool:
        count = self.count[0][side]
        return count == 0 or count + size <= self.target[0][side]

    def _behind(self, group: Group) -> int:
        """The side that is furthest behind in what the group brings, of those that have room."""
        scores = [0.0] * len(self.sides)
        for number, count in group.traits:
            trait = self.traits[number]
            due, had = self.done[number] + count, self.count[number]
            weight = trait.weight * count / group.size
            for side, share in enumerate(trait.shares):
                scores[side] += weight * (share * due - had[side])
        limit = self.largest - group.size + _EPSILON
        fitting = [s for s in self.sides if self.count[0][s] <= self.target[0][s] + limit]
        return max(fitting, key=lambda side: (round(scores[side], 9), -side))

    def _gain(self, group: Group, side: int, other: int) -> float:
        """By how much the squared distance from the shares shrinks with a move."""
        gain = 0.0
        whole = self.traits[0].total
        for number, count in group.traits:
            had, target = self.count[number], self.target[number]
            over = (had[side] - target[side]) - (had[other] - target[other])
            trait = self.traits[number]
            gain += trait.weight * count * (over - count) * whole / trait.total**2
        return gain

    def _may_leave(self, group: Group, side: int, other: int) -> bool:
        """Whether a move breaks no promise: no label vanishes from a side, no side is torn."""
        if any(self.groups[trait][side] == 1 for trait, _ in group.traits):
            return False
        here, there = self.count[0][side] - group.size, self.count[0][other] + group.size
        return (
            here >= self.target[0][side] - 2 * self.largest
            and there <= self.target[0][other] + self.largest
        )


def _write_groups(catalog: Catalog, traits: Traits, *, seed: int, pool: int) -> None:
    """Fill the temporary table `groups`: one row a group of the pool."""
    catalog.db.executescript(
        """
        DROP TABLE IF EXISTS temp.groups;
        CREATE TEMP TABLE groups (
          grp INTEGER PRIMARY KEY, size INTEGER, stratum INTEGER, traits TEXT, draw TEXT
        );
        """
    )
    catalog.many(
        "INSERT INTO groups VALUES (?, ?, ?, ?, ?)",
        (
            (g.number, g.size, g.stratum, json.dumps(g.traits), draw(name, seed))
            for g, name in _count_groups(catalog, traits, pool)
        ),
    )


def _count_groups(catalog: Catalog, traits: Traits, pool: int) -> Iterator[tuple[Group, str]]:
    """The groups of the pool with their names: that of their first subject."""
    rows = catalog.rows(
        "SELECT grp, name, label, labels, block, kind FROM members "
        "JOIN subjects ON subjects.number = grp WHERE side = ? ORDER BY grp",
        pool,
    )
    for (number, name), found in groupby(rows, key=lambda row: (row[0], row[1])):
        counts: Counter[int] = Counter()
        size = 0
        for _, _, label, labels, block, kind in found:
            size += 1
            counts.update(traits.of_labels(label, labels))
            counts.update(traits.of_origin(block, kind))
        pairs = ((0, size), *sorted(counts.items()))
        yield Group(number, size, traits.stratum(counts), pairs), name


def read_groups(catalog: Catalog, order: str) -> Iterator[Group]:
    """The groups that were dealt last, in an order of the columns of `groups`."""
    sql = f"SELECT grp, size, stratum, traits FROM groups ORDER BY {order}"  # noqa: S608
    for number, size, stratum, traits in catalog.rows(sql):
        yield Group(number, size, stratum, tuple((t, n) for t, n in json.loads(traits)))


def _ranks(traits: Sequence[Trait], strata: Counter[int]) -> dict[int, int]:
    """The order in which strata are dealt: those of few groups first, the unlabelled last."""

    def key(number: int) -> tuple[bool, int, str, int]:
        trait = traits[number]
        return (trait.what == "unlabelled", strata[number], trait.name, number)

    return {number: rank for rank, number in enumerate(sorted(strata, key=key))}


def _look_again(catalog: Catalog, assigner: Assigner, sides: array[int]) -> bool:
    """Move groups, small ones first, where that brings the shares nearer; whether any moved."""
    moved = False
    for group in read_groups(catalog, "size, draw"):
        before = sides[group.number]
        sides[group.number] = assigner.move(group, before)
        moved = moved or sides[group.number] != before
    return moved


def _fill_empty(catalog: Catalog, assigner: Assigner, sides: array[int]) -> None:
    """A side without groups gets the smallest one of a side that has several."""
    groups = assigner.groups[0]
    for side in assigner.sides:
        if groups[side] or sum(groups) < len(groups):
            continue
        rich = (g for g in read_groups(catalog, "size, draw") if groups[sides[g.number]] > 1)
        group = next(rich)
        groups[sides[group.number]] -= 1
        groups[side] += 1
        sides[group.number] = side


def fixed(shares: Iterable[float]) -> Shares:
    """The same shares of everything."""
    given = tuple(shares)
    return lambda traits: [given] * len(traits)
