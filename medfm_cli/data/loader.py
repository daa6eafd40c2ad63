"""Batches for training: in an exact order, resumed exactly, alike for any world size."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from medfm_cli.data.auto import choose_cache, choose_workers
from medfm_cli.data.batch import Batch
from medfm_cli.data.collators import Collator
from medfm_cli.data.collators.base import Shape, Tensors, in_own_memory
from medfm_cli.data.concat import AnyDataset, ConcatDataset
from medfm_cli.data.mixture import GroupsInOrder, MixturePlan, Strata
from medfm_cli.data.samplers import BatchPlan, Plan, fitting_batch
from medfm_cli.data.workers import StartMethod, WorkerPool
from medfm_cli.errors import DataError
from medfm_cli.recipe import Auto
from medfm_cli.runs.machine import usable_cpus

if TYPE_CHECKING:
    from medfm_cli.data.auto import Choice


@dataclass(frozen=True, kw_only=True)
class LoaderOptions:
    """In which order samples come, and which processes decode them.

    Attributes:
        global_batch: samples of a step, over all processes; shrunk where there are fewer
            (`samplers.fitting_batch`).
        seed: of the order, which depends on it and on the epoch alone.
        rank, world: the process, and how many there are.
        shuffle: or in the order of the rows, group after group.
        drop_last: leave out what does not fill a batch at the end of an epoch.
        strata: what is mixed by temperature (see `mixture`).
        workers: processes that decode; 0 decodes in this one.
        cache: keep samples in memory once they are decoded, so that no worker is needed; `auto`
            does so when they fit in a tenth of the available memory.
        start_method: of the workers; torch's default without.
    """

    global_batch: int
    seed: int
    rank: int = 0
    world: int = 1
    shuffle: bool = True
    drop_last: bool = True
    strata: Strata | None = None
    workers: int | Auto = "auto"
    cache: bool | Auto = "auto"
    start_method: StartMethod | None = None


class Loader:
    """Load the given rows of a dataset, or of several, as a collator gives them.

    Samples of several groups (shapes, length buckets) never share a batch. Beside the collator's
    tensors a batch has `labels` and `rows`, and of several datasets `source`, the number of the
    dataset that a row is of.

    Attributes:
        rows: of the dataset, by position.
        labels: of the rows.
        shapes, groups: of the collator.
        plan: the positions of every batch.
        cached, workers: how samples are decoded.
        choices: what each `auto` became, and why.
        wait_seconds: the time that the consumer has waited for batches.

    Raises:
        DataError: there are no rows, or fewer than processes.
    """

    def __init__(
        self,
        dataset: AnyDataset,
        rows: NDArray[np.int64],
        collator: Collator,
        options: LoaderOptions,
    ) -> None:
        world = max(1, options.world)
        if len(rows) < world:
            raise DataError(
                f"there are {len(rows)} samples to load for {world} processes",
                hint="check the split and the labels, or use fewer processes",
            )
        self.rows = np.ascontiguousarray(rows, dtype=np.int64)
        self.labels = dataset.labels()[self.rows]
        self._columns = {"labels": self.labels}
        if isinstance(dataset, ConcatDataset):
            self._columns["source"] = dataset.source(self.rows)
        self.shapes: tuple[Shape, ...] = collator.shapes
        self.groups = collator.groups
        self.plan = plan_batches(self.groups, options)
        self.wait_seconds = 0.0
        self._start(collator, options)

    def _start(self, collator: Collator, options: LoaderOptions) -> None:
        """Choose between memory, workers and this process, and start the workers."""
        world = max(1, options.world)
        cache = choose_cache(options.cache, nbytes=collator.nbytes, world=world)
        batch_bytes = collator.largest * self.global_batch // world
        workers = choose_workers(
            options.workers, cached=bool(cache.value), batch_bytes=batch_bytes, world=world
        )
        self.cached, self.workers = bool(cache.value), int(workers.value)
        self.choices: list[Choice] = []
        if options.cache == "auto":
            self.choices.append(cache)
        if options.workers == "auto":
            self.choices.append(workers)
        self._collator = collator.cached(threads=usable_cpus()) if self.cached else collator
        self._pool = None
        if self.workers:
            self._pool = WorkerPool(collator, self.workers, options.start_method)

    @property
    def global_batch(self) -> int:
        """Samples in a full global batch, after shrinking."""
        return self.plan.global_batch

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return self.plan.steps_per_epoch

    def batches(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, from `start_step` on; what lies before is not read."""
        first = epoch * self.steps_per_epoch
        return self.steps(first + start_step, first + self.steps_per_epoch)

    def steps(self, start: int, stop: int) -> Iterator[Batch]:
        """The batches of the steps `start` … `stop`−1 counted through all epochs, without a break.

        Workers serve one such iterator at a time.

        Raises:
            DataError: a sample cannot be read; it is named.
        """
        collated = self._read(start, stop)
        for positions in self.plan.steps(start, stop):
            began = time.perf_counter()
            tensors = next(collated)
            self.wait_seconds += time.perf_counter() - began
            columns = {
                name: torch.from_numpy(column[positions]) for name, column in self._columns.items()
            }
            yield Batch(**tensors, **columns, rows=torch.from_numpy(self.rows[positions]))

    def _read(self, start: int, stop: int) -> Iterator[Tensors]:
        if self._pool is not None:
            yield from self._pool.read(self.plan, start, stop)
            return
        for positions in self.plan.steps(start, stop):
            yield self._collator.collate(positions, in_own_memory)

    def close(self) -> None:
        """End the workers now instead of when the loader is forgotten."""
        if self._pool is not None:
            self._pool.close()


def plan_batches(groups: NDArray[np.int64], options: LoaderOptions) -> Plan:
    """The positions of every batch, for samples of these groups, at least one."""
    count = len(groups)
    batch = fitting_batch(options.global_batch, count)
    rank, world = options.rank, max(1, options.world)
    natural = options.strata is None or options.strata.temperature == 1
    if not groups.any() and (natural or not options.shuffle):
        return BatchPlan(
            count=count,
            global_batch=batch,
            seed=options.seed,
            rank=rank,
            world=world,
            shuffle=options.shuffle,
            drop_last=options.drop_last,
        )
    if not options.shuffle:
        return GroupsInOrder(groups=groups, global_batch=batch, rank=rank, world=world)
    return MixturePlan(
        groups=groups,
        strata=options.strata or Strata(np.zeros(count, dtype=np.int64), ("all",)),
        global_batch=batch,
        seed=options.seed,
        rank=rank,
        world=world,
    )
