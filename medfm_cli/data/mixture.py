"""Batches from a mixture of strata by temperature, and batches that hold one group each.

Strata are what is sampled evenly or not, such as the modalities; groups are what must not share a
batch, such as volumes of different depths. With n_s samples in stratum s, a batch position is
filled from it with probability p_s ∝ n_s^τ: τ = 1 is the data as they are, τ = 0 takes as much
of each stratum (Conneau & Lample 2019 sample languages so, with τ = 0.5).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medfm_cli.data.samplers import epoch_order, share

Integers = NDArray[np.int64]
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Strata:
    """What is mixed, and how.

    Attributes:
        codes: for every sample its stratum, an index into `names`, `[N]`.
        names: of the strata; each has a sample.
        temperature: τ, from 0 to 1.
    """

    codes: Integers
    names: tuple[str, ...]
    temperature: float = 1.0

    @property
    def counts(self) -> Integers:
        """Samples of each stratum."""
        return np.bincount(self.codes, minlength=len(self.names)).astype(np.int64)

    @property
    def shares(self) -> NDArray[np.float64]:
        """What part of all draws each stratum is to have."""
        powers = self.counts.astype(np.float64) ** self.temperature
        shares: NDArray[np.float64] = powers / powers.sum()
        return shares


class Cell(NamedTuple):
    """The samples of one stratum in one group, and how many an epoch takes of them."""

    members: Integers
    quota: int


@dataclass(frozen=True, kw_only=True)
class MixturePlan:
    """The positions in every batch, as one process sees them; the face of `samplers.BatchPlan`.

    An epoch has as many whole batches as the samples fill (at least one a group). Every group gets
    its number of batches, and in them every stratum its number of samples, the same in each epoch:
    its share p, rounded. Each cell (stratum × group) is a stream of permutations one after the
    other, and an epoch continues where the one before ended: after any number of epochs two samples
    of a cell have been drawn equally often, give or take one. Where an epoch takes more of a cell
    than it holds, its samples come several times.
    """

    groups: Integers
    strata: Strata
    global_batch: int
    seed: int = 0
    rank: int = 0
    world: int = 1

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return sum(self.batches)

    @property
    def draw_counts(self) -> Integers:
        """Draws of each stratum in an epoch."""
        counts = np.zeros(len(self.strata.names), dtype=np.int64)
        for cells in self.cells:
            for cell in cells:
                counts[self.strata.codes[cell.members[0]]] += cell.quota
        return counts

    @property
    def excess(self) -> NDArray[np.float64]:
        """How many times as often as it should each group comes: above 1 where it is rare.

        A group of two samples still fills a whole batch in every epoch.
        """
        shares = np.bincount(self.groups, weights=self._weights)
        batches = np.asarray(self.batches, dtype=np.float64)
        excess: NDArray[np.float64] = batches / batches.sum() / shares
        return excess

    @cached_property
    def batches(self) -> tuple[int, ...]:
        """Batches of each group in an epoch."""
        shares = np.bincount(self.groups, weights=self._weights).astype(np.float64)
        count = max(len(shares), len(self.groups) // self.global_batch)
        return tuple(apportion(count, shares, least=1).tolist())

    @cached_property
    def cells(self) -> tuple[tuple[Cell, ...], ...]:
        """The cells of each group."""
        return tuple(self._cells(group, count) for group, count in enumerate(self.batches))

    def steps(self, start: int, stop: int) -> Iterator[Integers]:
        """This rank's positions for the steps `start` … `stop`−1, counted through all epochs."""
        step = start
        while step < stop:
            epoch, first = divmod(step, self.steps_per_epoch)
            last = min(self.steps_per_epoch, first + stop - step)
            for batch in self._epoch(epoch)[first:last]:
                yield share(batch, rank=self.rank, world=self.world)
            step += last - first

    @cached_property
    def _weights(self) -> NDArray[np.float64]:
        """What part of all draws each sample is to have."""
        weights: NDArray[np.float64] = (self.strata.shares / self.strata.counts)[self.strata.codes]
        return weights

    def _cells(self, group: int, batches: int) -> tuple[Cell, ...]:
        inside = np.flatnonzero(self.groups == group)
        codes = self.strata.codes[inside]
        present = np.unique(codes)
        weights = np.bincount(codes, weights=self._weights[inside])[present].astype(np.float64)
        quotas = apportion(batches * self.global_batch, weights, least=1).tolist()
        return tuple(
            Cell(inside[codes == code], quota) for code, quota in zip(present, quotas, strict=True)
        )

    def _epoch(self, epoch: int) -> list[Integers]:
        """The global batches of an epoch, those of all groups in one random order."""
        batches: list[Integers] = []
        for number, cells in enumerate(self.cells):
            drawn = np.concatenate(
                [self._drawn(cell, epoch, number, index) for index, cell in enumerate(cells)]
            )
            order = epoch_order(len(drawn), seed=_mixed(self.seed, "group", number), epoch=epoch)
            batches += np.split(drawn[order], len(drawn) // self.global_batch)
        order = epoch_order(len(batches), seed=_mixed(self.seed, "batches"), epoch=epoch)
        return [batches[index] for index in order.tolist()]

    def _drawn(self, cell: Cell, epoch: int, group: int, index: int) -> Integers:
        """What an epoch takes of a cell: its piece of the stream of permutations."""
        size = len(cell.members)
        start, stop = epoch * cell.quota, (epoch + 1) * cell.quota
        first, last = start // size, -(-stop // size)
        seed = _mixed(self.seed, "cell", group, index)
        passes = [epoch_order(size, seed=seed, epoch=number) for number in range(first, last)]
        stream = np.concatenate(passes)[start - first * size : stop - first * size]
        return cell.members[stream]


@dataclass(frozen=True, kw_only=True)
class GroupsInOrder:
    """Every position once, group after group and in order within each; smaller last batches."""

    groups: Integers
    global_batch: int
    rank: int = 0
    world: int = 1

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return len(self._batches)

    def steps(self, start: int, stop: int) -> Iterator[Integers]:
        """This rank's positions for the steps `start` … `stop`−1, counted through all epochs."""
        for step in range(start, stop):
            batch = self._batches[step % self.steps_per_epoch]
            yield share(batch, rank=self.rank, world=self.world)

    @cached_property
    def _batches(self) -> list[Integers]:
        size = self.global_batch
        members = [np.flatnonzero(self.groups == group) for group in np.unique(self.groups)]
        return [
            each[first : first + size] for each in members for first in range(0, len(each), size)
        ]


def apportion(total: int, weights: NDArray[np.float64], *, least: int = 0) -> Integers:
    """Whole numbers that sum to `total`, in proportion to the weights (largest remainders).

    None is below `least`, as far as `total` suffices for that: what would be gets it, and the
    others share the rest.
    """
    least = min(least, total // len(weights))
    fixed = np.zeros(len(weights), dtype=bool)
    while True:
        rest = total - least * int(fixed.sum())
        exact = np.where(fixed, least, rest * weights / weights[~fixed].sum())
        short = ~fixed & (exact < least - _ROUNDING)
        if not short.any():
            break
        fixed |= short
    parts = np.floor(exact + _ROUNDING).astype(np.int64)
    largest = np.argsort(parts - exact, kind="stable")[: total - int(parts.sum())]
    parts[largest] += 1
    return parts


def _mixed(seed: int, *parts: object) -> int:
    """A seed of its own for each purpose."""
    text = "\x1f".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
