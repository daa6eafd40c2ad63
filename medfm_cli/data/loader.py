"""Batches for training: in an exact order, resumed exactly, alike for any world size."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from medfm_cli.data.auto import choose_cache, choose_workers
from medfm_cli.data.batch import Batch
from medfm_cli.data.dataset import Dataset
from medfm_cli.data.fitted import Cached, Fitted
from medfm_cli.data.inputs import AnyInput
from medfm_cli.data.mixture import GroupsInOrder, MixturePlan, Strata
from medfm_cli.data.samplers import BatchPlan, Plan, fitting_batch
from medfm_cli.data.workers import StartMethod, WorkerPool
from medfm_cli.errors import DataError
from medfm_cli.recipe import Auto
from medfm_cli.runs.machine import usable_cpus


class Loader:
    """Load the given rows of a dataset, each fitted to the input of a network.

    The order depends only on (seed, epoch). With `strata` they are mixed by temperature (see
    `mixture`); inputs of several shapes never share a batch. A global batch larger than the number
    of rows is shrunk (`samplers.fitting_batch`; see `global_batch`). With `cache` the fitted
    samples are kept in memory once decoded, and no worker is needed; `auto` does so when they fit
    in a tenth of the available memory. `choices` tells what each `auto` became. `wait_seconds`
    adds up the time that the consumer waited for batches.
    `shapes` are those of the inputs, and `groups` tells for every row which it has.

    Raises:
        DataError: there are no rows, or fewer than processes.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: NDArray[np.int64],
        *,
        preprocessing: AnyInput,
        global_batch: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        workers: int | Auto = "auto",
        shuffle: bool = True,
        drop_last: bool = True,
        cache: bool | Auto = "auto",
        strata: Strata | None = None,
        start_method: StartMethod | None = None,
    ) -> None:
        world = max(1, world)
        if len(rows) < world:
            raise DataError(
                f"there are {len(rows)} samples to load for {world} processes",
                hint="check the split and the labels, or use fewer processes",
            )
        self.rows = np.ascontiguousarray(rows, dtype=np.int64)
        self.labels = dataset.labels()[self.rows]
        self.wait_seconds = 0.0
        samples = Fitted.of(dataset, self.rows, preprocessing)
        self.shapes, self.groups = samples.shapes, samples.groups
        batch = fitting_batch(global_batch, len(rows))
        self.plan: Plan
        if len(samples.shapes) == 1 and (not shuffle or _natural(strata)):
            self.plan = BatchPlan(
                count=len(rows),
                global_batch=batch,
                seed=seed,
                rank=rank,
                world=world,
                shuffle=shuffle,
                drop_last=drop_last,
            )
        elif shuffle:
            self.plan = MixturePlan(
                groups=samples.groups,
                strata=strata or _one_stratum(len(rows)),
                global_batch=batch,
                seed=seed,
                rank=rank,
                world=world,
            )
        else:
            self.plan = GroupsInOrder(
                groups=samples.groups, global_batch=batch, rank=rank, world=world
            )
        cached = choose_cache(cache, nbytes=samples.nbytes, world=world)
        self.cached = bool(cached.value)
        batch_bytes = samples.largest * batch // world
        count = choose_workers(workers, cached=self.cached, batch_bytes=batch_bytes, world=world)
        self.workers = int(count.value)
        asked = {"cache": cache, "workers": workers}
        self.choices = [choice for choice in (cached, count) if asked[choice.key] == "auto"]
        self._samples = Cached(samples, threads=usable_cpus()) if self.cached else samples
        self._pool = WorkerPool(samples, self.workers, start_method) if self.workers else None

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
        values = self._read(start, stop)
        for positions in self.plan.steps(start, stop):
            began = time.perf_counter()
            tensor = next(values)
            self.wait_seconds += time.perf_counter() - began
            labels, rows = self.labels[positions], self.rows[positions]
            yield Batch(values=tensor, labels=torch.from_numpy(labels), rows=torch.from_numpy(rows))

    def _read(self, start: int, stop: int) -> Iterator[torch.Tensor]:
        if self._pool is not None:
            yield from self._pool.read(self.plan, start, stop)
            return
        for positions in self.plan.steps(start, stop):
            yield torch.from_numpy(self._samples.read(positions))

    def close(self) -> None:
        """End the workers now instead of when the loader is forgotten."""
        if self._pool is not None:
            self._pool.close()


def _natural(strata: Strata | None) -> bool:
    """Whether the samples come as often as they are there."""
    return strata is None or strata.temperature == 1


def _one_stratum(count: int) -> Strata:
    return Strata(np.zeros(count, dtype=np.int64), ("all",))
