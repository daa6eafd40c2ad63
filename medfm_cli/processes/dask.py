"""A Dask cluster to work on: a scheduler that is there, or one in this process.

The one in this process opens no port but two silent ones on the loopback interface: its parts talk
through memory. Tasks start processes of their own, so its worker may be a few threads.
"""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from medfm_cli.errors import EnvironmentProblem
from medfm_cli.extras import require

SECONDS_TO_CONNECT = 10
_ROUTES: dict[str, list[str]] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


@contextmanager
def connected(address: str | None, *, workers: int) -> Iterator[Any]:
    """A client of the scheduler at `address`, else of a cluster of `workers` threads made here.

    Raises:
        EnvironmentProblem: Dask is not installed, or there is no scheduler at the address.
    """
    require("distributed", extra="dask")
    with _quiet():
        if address is None:
            with _local(workers) as cluster, _client(cluster) as client:
                yield client
        else:
            with _client(address) as client:
                yield client


@contextmanager
def _local(threads: int) -> Iterator[Any]:
    dask, distributed = importlib.import_module("dask"), importlib.import_module("distributed")
    options: dict[str, Any] = {
        "protocol": "inproc://",
        "dashboard": False,
        "dashboard_address": "127.0.0.1:0",
    }
    # No memory limit: Dask would count this process, which is not the one that reads files.
    worker = options | {"nthreads": threads, "memory_limit": 0}
    with dask.config.set(_ROUTES):
        cluster = distributed.SpecCluster(
            scheduler={"cls": distributed.Scheduler, "options": options},
            workers={0: {"cls": distributed.Worker, "options": worker}},
            silence_logs=logging.CRITICAL,
        )
    with cluster:
        yield cluster


@contextmanager
def _client(where: Any) -> Iterator[Any]:
    distributed = importlib.import_module("distributed")
    try:
        client = distributed.Client(
            where, timeout=SECONDS_TO_CONNECT, set_as_default=False, name="medfm"
        )
    except (OSError, TimeoutError, ValueError, TypeError, ImportError) as error:
        reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
        raise EnvironmentProblem(
            f"there is no Dask scheduler at '{where}'{reason}",
            hint="start one with 'dask scheduler', or leave address out for a cluster of this "
            "machine alone",
        ) from None
    try:
        yield client
    finally:
        with suppress(Exception):  # a scheduler that is gone cannot be taken leave of
            client.close(timeout=5)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Dask's own log lines and warnings: what matters becomes a sentence of ours."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # Dask gives each of its loggers a level of its own
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
