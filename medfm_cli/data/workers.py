"""Worker processes that decode batches ahead of training."""

from __future__ import annotations

import atexit
import math
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from weakref import WeakSet

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from medfm_cli.data.collators.base import Collator, Tensors
from medfm_cli.data.samplers import Plan
from medfm_cli.errors import DataError, EnvironmentProblem
from medfm_cli.torch_private import end_workers, shared_storage

PREFETCH = 2
"""Batches that each worker prepares ahead."""
GRACE = 30
"""Seconds that a worker outlives a SIGTERM."""
DEATHS = re.compile("killed by signal|exited unexpectedly|shared memory|mmap|shm")
"""What torch says when a worker, or the memory that it shares, is gone."""
StartMethod = Literal["fork", "spawn", "forkserver"]


class WorkerPool:
    """Worker processes that decode whole batches, kept from one pass to the next."""

    def __init__(self, collator: Collator, workers: int, start_method: StartMethod | None) -> None:
        self._steps = _Steps()
        self._pass: Any = None
        self._loader: DataLoader[Tensors | DataError] | None = DataLoader(
            _WorkerBatches(collator),
            batch_size=None,
            sampler=self._steps,
            num_workers=workers,
            prefetch_factor=PREFETCH,
            persistent_workers=True,
            collate_fn=_unchanged,
            worker_init_fn=_outlive_signals,
            multiprocessing_context=start_method,
            generator=torch.Generator(),  # or each pass would draw from the global one
        )
        _open_pools.add(self)

    def read(self, plan: Plan, start: int, stop: int) -> Iterator[Tensors]:
        """The collated tensors of this rank's batches, in order.

        Raises:
            DataError: a sample cannot be read.
            EnvironmentProblem: the system killed a worker.
        """
        if self._loader is None:
            raise ValueError("the loader was closed")
        self._steps.now = (plan, start, stop)
        with _worker_deaths_explained():
            self._pass = _start(self._loader)
            for tensors in self._pass:
                if isinstance(tensors, DataError):
                    raise tensors
                yield tensors

    def close(self) -> None:
        """End the workers, even while someone still holds on to a pass."""
        if self._pass is not None:
            end_workers(self._pass)
        self._loader = self._pass = None


_open_pools: WeakSet[WorkerPool] = WeakSet()


@atexit.register
def _close_all() -> None:
    """Before multiprocessing, at the end of the program, waits for workers nobody ended."""
    for pool in list(_open_pools):
        pool.close()


class _Steps:
    """The work of the workers: torch makes an iterator at the start of every pass."""

    now: tuple[Plan, int, int]

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        plan, start, stop = self.now
        return plan.steps(start, stop)


class _WorkerBatches(TorchDataset[Any]):
    """A batch as one item. Errors travel as values: torch would bury them in a traceback."""

    def __init__(self, collator: Collator) -> None:
        self._collator = collator

    def __getitem__(self, positions: NDArray[np.int64]) -> Tensors | DataError:
        try:
            return self._collator.collate(positions, _shared)
        except DataError as error:
            return error


def _shared(shape: tuple[int, ...], dtype: np.dtype[Any]) -> torch.Tensor:
    """An empty tensor in shared memory, so that handing it over copies nothing."""
    empty = torch.from_numpy(np.empty(0, dtype=dtype))
    nbytes = math.prod(shape) * dtype.itemsize
    return empty.set_(shared_storage(nbytes)).view(shape)


def _start(loader: DataLoader[Any]) -> Iterator[Any]:
    """Begin a pass, without torch's SIGCHLD handler.

    It raises wherever the program happens to be when a worker dies, in the middle of an optimiser's
    step if need be. Without it the death is found where a batch is waited for.
    """
    if threading.current_thread() is not threading.main_thread():
        return iter(loader)
    before = signal.getsignal(signal.SIGCHLD)
    try:
        return iter(loader)
    finally:
        signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)


def _unchanged(item: Any) -> Any:
    return item


def _outlive_signals(_worker: int) -> None:
    """Ctrl-C and SIGTERM often reach every process of a run; the parent still needs batches.

    It finishes its step and writes a checkpoint. So a worker ignores the first and takes the
    second as notice: it goes `GRACE` seconds later, should the parent not have ended it by then.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(GRACE))


@contextmanager
def _worker_deaths_explained() -> Iterator[None]:
    """Distinguish a worker's end from a bug. A batch may be on its way when its sender dies."""
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        if isinstance(error, RuntimeError) and not DEATHS.search(str(error)):
            raise
        raise EnvironmentProblem(
            "a data loading worker was killed, most likely for lack of memory or of /dev/shm",
            hint="use fewer workers (0 loads in the main process) or a smaller batch",
        ) from error
