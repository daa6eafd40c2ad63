"""Work units run in worker processes, of which any may crash or hang without harm.

Any `concurrent.futures.Executor` could do the work: a unit is plain data, its result is
staged, and doing one twice does no harm.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from medfm_cli.commands.curate.reading.staging import Staging, WorkUnit
from medfm_cli.commands.curate.reading.worker import WorkerConfig, read_unit, start_worker
from medfm_cli.errors import RunFailed

GRACE = 15.0
"""Seconds after its time limit until a process that hangs in a library is killed."""
TICK = 0.5
Work = Callable[[WorkUnit, WorkerConfig], tuple[int, int]]
_CRASHED = "reading it crashed the process that read it"
_HUNG = "reading it took too long and had to be killed"


class Pool:
    """Runs units in `workers` processes.

    Args:
        settings: what the workers need.
        workers: how many there are.
        check_stop: raises when the run should stop; called at least every half second.
        done: called with a unit and its counts of images and refusals as it is finished.
        work: what is done with a unit.
    """

    def __init__(
        self,
        settings: WorkerConfig,
        *,
        workers: int,
        check_stop: Callable[[], None],
        done: Callable[[WorkUnit, int, int], None],
        work: Work = read_unit,
    ) -> None:
        self.settings = settings
        self.staging = Staging(Path(settings.folder), settings.mark)
        self.workers = workers
        self.check_stop = check_stop
        self.done = done
        self.work = work
        self._hung: set[int] = set()

    def run(self, units: Iterable[WorkUnit]) -> None:
        """Do all units; they are taken from `units` as processes become free.

        Raises:
            RunFailed: a worker dies even when it is given nothing that is known to kill it.
            OSError: a worker cannot write.
        """
        waiting = iter(units)
        while suspects := self._run_together(waiting):
            for unit in suspects:
                self._run_alone(unit)

    def _run_together(self, waiting: Iterator[WorkUnit]) -> list[WorkUnit]:
        """Work until all is done or a process dies; then give the units that were under way."""
        running: dict[Future[tuple[int, int]], WorkUnit] = {}
        with _executor(self.workers) as executor:
            while True:
                for unit in islice(waiting, 2 * self.workers - len(running)):
                    self.staging.progress_path(unit.number).unlink(missing_ok=True)
                    try:
                        running[executor.submit(self.work, unit, self.settings)] = unit
                    except BrokenProcessPool:
                        return [*running.values(), unit]
                if not running:
                    return []
                finished, _ = wait(running, timeout=TICK, return_when=FIRST_COMPLETED)
                for future in finished:
                    try:
                        items, rejected = future.result()
                    except BrokenProcessPool:
                        return list(running.values())
                    self.done(running.pop(future), items, rejected)
                self.check_stop()
                self._kill_what_hangs(list(running.values()), set(executor._processes or ()))

    def _run_alone(self, unit: WorkUnit) -> None:
        """Do a unit that may hold a file which kills: find that file, skip it, continue."""
        while self._dies(unit):
            culprit = self._now(unit)
            if culprit is None or culprit[1] in unit.skip:
                raise RunFailed(
                    "the processes that read files keep dying",
                    hint="look at the machine's memory; try workers=1",
                )
            reason = _HUNG if culprit[0] in self._hung else _CRASHED
            unit = replace(unit, skip={**unit.skip, culprit[1]: reason})

    def _dies(self, unit: WorkUnit) -> bool:
        """Do one unit in a process of its own; give whether that process died."""
        before, self.workers = self.workers, 1
        try:
            return bool(self._run_together(iter([unit])))
        finally:
            self.workers = before

    def _kill_what_hangs(self, units: list[WorkUnit], ours: set[int]) -> None:
        """Kill a worker (one of `ours`) that has been at one file for far too long."""
        limit = self.settings.quality.seconds + GRACE
        for unit in units:
            now = self._now(unit)
            if now is not None and now[0] in ours - self._hung and time.time() - now[2] > limit:
                self._hung.add(now[0])
                os.kill(now[0], signal.SIGKILL)

    def _now(self, unit: WorkUnit) -> tuple[int, int, float] | None:
        """Process, file and since when, for a unit that is being worked on."""
        try:
            pid, entry, since = json.loads(
                self.staging.progress_path(unit.number).read_text("ascii")
            )
        except (OSError, ValueError):
            return None
        return pid, entry, since


@contextmanager
def _executor(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of fresh processes; they are ended at once when the block is left by an error."""
    context = get_context("spawn")  # nothing of this process, its locks and threads, is inherited
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=start_worker)
    try:
        yield executor
    except BaseException:
        processes = list((executor._processes or {}).values())
        executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        for process in processes:
            process.join()
        raise
    executor.shutdown(wait=True, cancel_futures=True)
