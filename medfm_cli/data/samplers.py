"""Which samples come when: a pure function of (seed, epoch), whatever the number of processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

EVEN = 8


def epoch_order(count: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """A permutation of `count` samples that depends on nothing but (seed, epoch).

    It sorts by the raw output of Philox, whose stream NumPy promises to keep (NEP 19), which it
    does not promise of `Generator.permutation`.
    """
    keys = np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64)).random_raw(count)
    return np.argsort(keys, kind="stable")


def fitting_batch(requested: int, count: int) -> int:
    """The global batch for `count` samples: the requested one, or less for fewer samples.

    A shrunk batch is a multiple of `EVEN` (if there are that many samples), so that the usual
    numbers of processes divide it.
    """
    if requested <= count:
        return requested
    return count - count % EVEN if count >= EVEN else count


class Plan(Protocol):
    """What samples, as positions, make the batches of one process."""

    @property
    def global_batch(self) -> int:
        """Samples of a global batch."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""

    def steps(self, start: int, stop: int) -> Iterator[NDArray[np.int64]]:
        """This rank's positions for the steps `start` … `stop`−1, counted through all epochs."""


def share(batch: NDArray[np.int64], *, rank: int, world: int) -> NDArray[np.int64]:
    """The part of a global batch that is a process's: the rank-th contiguous slice."""
    first, last = (len(batch) * number // world for number in (rank, rank + 1))
    return batch[first:last]


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """The positions (0 … count−1) in every batch of every epoch, as one process sees them.

    Rank r of `world` takes the r-th contiguous slice of each global batch, so the global batches
    are the same for any world. Without `drop_last` the last batch of an epoch is smaller.
    """

    count: int
    global_batch: int
    seed: int = 0
    rank: int = 0
    world: int = 1
    shuffle: bool = True
    drop_last: bool = True

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        full, rest = divmod(self.count, self.global_batch)
        return full if self.drop_last or not rest else full + 1

    def steps(self, start: int, stop: int) -> Iterator[NDArray[np.int64]]:
        """This rank's positions for the steps `start` … `stop`−1, counted through all epochs."""
        step = start
        while step < stop:
            epoch, first = divmod(step, self.steps_per_epoch)
            last = min(self.steps_per_epoch, first + stop - step)
            order = self._order(epoch)
            yield from (self._slice(order, index) for index in range(first, last))
            step += last - first

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if not self.shuffle:
            return np.arange(self.count, dtype=np.int64)
        return epoch_order(self.count, seed=self.seed, epoch=epoch)

    def _slice(self, order: NDArray[np.int64], step: int) -> NDArray[np.int64]:
        batch = order[step * self.global_batch : (step + 1) * self.global_batch]
        return share(batch, rank=self.rank, world=self.world)
