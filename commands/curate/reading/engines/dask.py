"""Units of files dealt to a Dask cluster: payloads of a few units, one process each.

What a lost machine was doing Dask gives to another one; units that were finished there are in the
staging, which all machines see, and are not done again. A file that crashes or hangs its reader is
dealt with where it is read, as on one machine.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from medfm_cli.commands.curate.reading.engines.task import work
from medfm_cli.commands.curate.reading.engines.task_payload import (
    TaskFailure,
    TaskPayload,
    TaskResult,
    versions,
)
from medfm_cli.commands.curate.reading.staging import WorkUnit
from medfm_cli.commands.curate.reading.worker import WorkerConfig
from medfm_cli.errors import EnvironmentProblem, MedfmError, RunFailed
from medfm_cli.processes.dask import connected

TICK = 0.5
PATIENCE = 60.0
"""Seconds without any worker after which the cluster is given up."""
LEAVE = 10.0
"""Seconds for tasks to confirm a request to stop."""
MOST_UNITS = 32
"""Units of a payload: starting its process takes a second, losing it loses what is under way."""
TRIES = 3
LEASE = "{}.lease"
_SHARED = "all machines must see the source and the run directory under the same paths"


class DaskEngine:
    """Runs units on a Dask cluster; see `Pool` for what the arguments mean.

    Args:
        settings: what the workers need; its folder must be seen by all of them.
        address: the scheduler's, such as `tcp://10.0.0.5:8786`; None: a cluster in this process.
        workers: how many processes read at the same time without an address.
        expected: about how many units there are: they are dealt so that all threads have some.
        check_stop: raises when the run should stop.
        done: called with a unit and its counts as it is finished.
    """

    def __init__(
        self,
        settings: WorkerConfig,
        *,
        address: str | None,
        workers: int,
        expected: int,
        check_stop: Callable[[], None],
        done: Callable[[WorkUnit, int, int], None],
    ) -> None:
        self.settings = settings
        self.address = address
        self.workers = workers
        self.expected = expected
        self.check_stop = check_stop
        self.done = done
        self._finished = threading.Event()
        self._counted_units: set[int] = set()
        self._tries: Counter[int] = Counter()
        self._threads = 0
        self._counted = self._seen = 0.0

    def run(self, units: Iterable[WorkUnit]) -> None:
        """Do all units; they are taken from `units` as the cluster becomes free.

        Raises:
            EnvironmentProblem: no scheduler, no workers, or workers that cannot do the work.
            RunFailed: workers or their processes keep dying.
            OSError: a worker cannot write.
        """
        folder = Path(self.settings.folder)
        lease = folder / LEASE.format(secrets.token_hex(8))
        with connected(self.address, workers=self.workers) as client:
            lease.touch()
            try:
                self._run(client, iter(units), lease)
            finally:
                lease.unlink(missing_ok=True)

    def _run(self, client: Any, units: Iterator[WorkUnit], lease: Path) -> None:
        self._seen = time.monotonic()
        self._wait_for_workers(client)
        waiting = self._payloads(units, lease.name)
        running: dict[Any, TaskPayload] = {}
        try:
            while True:
                for payload in islice(waiting, max(0, 2 * max(1, self._threads) - len(running))):
                    running[self._submit(client, payload)] = payload
                if not running:
                    return
                self._finished.wait(TICK)
                self._finished.clear()
                for future in [future for future in running if future.done()]:
                    payload = running.pop(future)
                    waiting = chain(self._heed(self._result(client, future), payload), waiting)
                self.check_stop()
                self._count(client)
        except BaseException:
            lease.unlink(missing_ok=True)
            self._leave(client, list(running))
            raise

    def _payloads(self, units: Iterator[WorkUnit], lease: str) -> Iterator[TaskPayload]:
        """The units in payloads; see `MOST_UNITS`."""
        size = max(1, min(MOST_UNITS, self.expected // (3 * max(1, self._threads))))
        installed = versions()
        while some := tuple(islice(units, size)):
            yield TaskPayload(some, self.settings, lease, installed)

    def _submit(self, client: Any, payload: TaskPayload) -> Any:
        key = f"medfm-{payload.lease.partition('.')[0]}-{secrets.token_hex(4)}"
        future = client.submit(work, payload, key=key, pure=False)
        future.add_done_callback(lambda _future: self._finished.set())
        return future

    def _result(self, client: Any, future: Any) -> TaskResult:
        """The answer of a task that ended.

        Raises:
            MedfmError: it ended without one.
        """
        if future.status == "finished":
            answer: TaskResult = future.result()
            return answer
        if future.status in ("cancelled", "lost") or client.status != "running":
            raise self._gone()
        raise _broken(future.exception())

    def _heed(self, answer: TaskResult, payload: TaskPayload) -> list[TaskPayload]:
        """Count what was done; gives the payload again if it should be tried once more.

        Raises:
            MedfmError, OSError: it cannot be done.
        """
        units = {unit.number: unit for unit in payload.units}
        for number, items, rejected in answer.done:
            if number not in self._counted_units:
                self._counted_units.add(number)
                self.done(units[number], items, rejected)
        failure = answer.failure
        if failure is None:
            self._counted_units -= units.keys()
            return []
        if failure.kind == "files" and not _is_here(failure.path, payload):
            return [replace(payload, trusting=True)]
        number = payload.units[0].number
        self._tries[number] += 1
        if failure.kind in ("stopped", "died") and self._tries[number] < TRIES:
            return [payload]
        raise _failure(failure, answer.where)

    def _wait_for_workers(self, client: Any) -> None:
        while not self._threads:
            self._count(client)
            if not self._threads:
                self.check_stop()
                time.sleep(TICK)

    def _count(self, client: Any) -> None:
        """Ask how many threads the workers have, every few seconds.

        Raises:
            EnvironmentProblem: the scheduler is gone, or there has been no worker for long.
        """
        now = time.monotonic()
        if client.status != "running":
            raise self._gone()
        if self._threads and now - self._counted < 10 * TICK:
            return
        try:
            self._threads = sum(client.nthreads().values())
        except (OSError, TimeoutError):
            raise self._gone() from None
        self._counted = now
        if self._threads:
            self._seen = now
        elif now - self._seen > PATIENCE:
            raise EnvironmentProblem(
                f"no worker has been at the Dask scheduler {self.address} for "
                f"{PATIENCE:.0f} seconds",
                hint=f"start some with 'dask worker {self.address}', then run the same command "
                "again to continue",
            )

    def _gone(self) -> MedfmError:
        return EnvironmentProblem(
            f"the Dask scheduler {self.address or 'in this process'} is gone; "
            "what was read is kept",
            hint="start it again, then run the same command again to continue",
        )

    def _leave(self, client: Any, futures: list[Any]) -> None:
        """Give tasks, which see that their lease is gone, time to end; drop those not begun."""
        ends = time.monotonic() + LEAVE
        while time.monotonic() < ends and client.status == "running":
            if all(future.done() for future in futures):
                return
            time.sleep(TICK / 5)
        if client.status == "running":
            client.cancel(futures)


def _is_here(path: str, payload: TaskPayload) -> bool:
    """Whether a file that a worker does not see is as it was when the run was started."""
    sizes = {entry.path: entry.size for unit in payload.units for entry in unit.entries}
    try:
        return os.stat(path).st_size == sizes[path]  # noqa: PTH116 - any name will do
    except (OSError, ValueError):
        return False


def _failure(failure: TaskFailure, where: str) -> Exception:
    """What a worker's failure is on this side."""
    on = f"the Dask worker on '{where}'"
    match failure.kind:
        case "versions":
            return EnvironmentProblem(
                f"{on} has {failure.message}",
                hint="install the same versions on every machine: results must not differ",
            )
        case "unseen" | "stopped":
            return EnvironmentProblem(f"{on} does not see the run directory", hint=_SHARED)
        case "files":
            return EnvironmentProblem(f"{on} does not see the files of the source", hint=_SHARED)
        case "environment":
            return EnvironmentProblem(f"{on}: {failure.message}", hint=failure.hint)
        case "failed":
            return RunFailed(f"{on}: {failure.message}", hint=failure.hint)
        case "system":
            return OSError(failure.number, failure.message, failure.path or None)
        case "died":
            return RunFailed(
                f"{on} cannot keep a process alive", hint="look at that machine's memory"
            )
    return RuntimeError(f"on a Dask worker: {failure.message}")


def _broken(error: BaseException | None) -> MedfmError:
    """What a task that ended without an answer means."""
    name = type(error).__name__
    if name == "KilledWorker":
        return RunFailed(
            "the Dask workers keep dying", hint="look at the memory of the machines they run on"
        )
    return EnvironmentProblem(
        f"a machine of the Dask cluster cannot take the work ({name})",
        hint="install the same medfm on the scheduler's and on every worker's machine",
    )
