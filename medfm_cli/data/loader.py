"""Batches of images for training: in an exact order, resumed exactly, alike for any world size."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from medfm_cli.data.choices import choose_cache, choose_workers
from medfm_cli.data.dataset import Dataset
from medfm_cli.data.fitted import CachedImages, FittedImages
from medfm_cli.data.machine import usable_cpus
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.data.samplers import BatchPlan, fitting_batch
from medfm_cli.data.workers import StartMethod, WorkerPool
from medfm_cli.errors import DataError
from medfm_cli.recipe import Auto


class Batch(NamedTuple):
    """One process's part of a global batch.

    `values` `[b, C, …]` as the preprocessing fits them (images: uint8 `[b, C, S, S]`), `labels`
    int64 `[b]` (−1: none), `rows` int64 `[b]`: the rows of the manifest, by which
    `Dataset.sample_id` names the samples.
    """

    values: torch.Tensor
    labels: torch.Tensor
    rows: torch.Tensor


class Loader:
    """Load the given rows of a dataset, each fitted to the input of a network.

    The order depends only on (seed, epoch). A global batch larger than the number of rows is
    shrunk (`samplers.fitting_batch`; see `global_batch`). With `cache` the fitted images are kept
    in memory once decoded, and no worker is needed; `auto` does so when they fit in a tenth of
    the available memory. `choices` tells what each `auto` became. `wait_seconds` adds up the time
    that the consumer waited for batches.

    Raises:
        DataError: there are no rows, or fewer than processes.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: NDArray[np.int64],
        *,
        preprocessing: Preprocessing,
        global_batch: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        workers: int | Auto = "auto",
        shuffle: bool = True,
        drop_last: bool = True,
        cache: bool | Auto = "auto",
        start_method: StartMethod | None = None,
    ) -> None:
        world = max(1, world)
        if len(rows) < world:
            raise DataError(
                f"there are {len(rows)} samples to load for {world} processes",
                hint="check the split and the labels, or use fewer processes",
            )
        self.plan = BatchPlan(
            count=len(rows),
            global_batch=fitting_batch(global_batch, len(rows)),
            seed=seed,
            rank=rank,
            world=world,
            shuffle=shuffle,
            drop_last=drop_last,
        )
        self.rows = np.ascontiguousarray(rows, dtype=np.int64)
        self.labels = dataset.labels()[self.rows]
        self.wait_seconds = 0.0
        images = FittedImages(
            store=dataset.images,
            rows=self.rows,
            size=preprocessing.size,
            channels=preprocessing.channels,
        )
        cached = choose_cache(cache, nbytes=images.nbytes, world=world)
        self.cached = bool(cached.value)
        batch_bytes = images.nbytes // len(rows) * self.plan.global_batch // world
        count = choose_workers(workers, cached=self.cached, batch_bytes=batch_bytes, world=world)
        self.workers = int(count.value)
        asked = {"cache": cache, "workers": workers}
        self.choices = [choice for choice in (cached, count) if asked[choice.key] == "auto"]
        self._images = CachedImages(images, threads=usable_cpus()) if self.cached else images
        self._pool = WorkerPool(images, self.workers, start_method) if self.workers else None

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
            DataError: an image cannot be read; the sample is named.
        """
        images = self._read(start, stop)
        for positions in self.plan.steps(start, stop):
            began = time.perf_counter()
            tensor = next(images)
            self.wait_seconds += time.perf_counter() - began
            labels, rows = self.labels[positions], self.rows[positions]
            yield Batch(tensor, torch.from_numpy(labels), torch.from_numpy(rows))

    def _read(self, start: int, stop: int) -> Iterator[torch.Tensor]:
        if self._pool is not None:
            yield from self._pool.read(self.plan, start, stop)
            return
        for positions in self.plan.steps(start, stop):
            yield torch.from_numpy(self._images.read(positions))

    def close(self) -> None:
        """End the workers now instead of when the loader is forgotten."""
        if self._pool is not None:
            self._pool.close()
