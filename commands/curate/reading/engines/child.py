"""`python -m medfm_cli.commands.curate.reading.engines.child`: runs one task, then ends.

A Dask task is a thread, in which a file cannot be given a time limit and whose process may have no
children of its own, so each task starts this process. Its standard input is a socket on which
it receives the payload and answers: the key of the pseudonyms is in no argument, variable or file.
Files are read in a process below this one, which may crash or hang. Both end when the other side
of the socket is closed: then the task's process is gone.
"""

from __future__ import annotations

import os
import signal
import threading
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from medfm_cli.commands.curate.reading.engines.task_payload import (
    TaskFailure,
    TaskPayload,
    TaskResult,
)
from medfm_cli.commands.curate.reading.pool import Pool
from medfm_cli.commands.curate.reading.staging import ItemRecord, Staging, WorkUnit
from medfm_cli.errors import EnvironmentProblem, RunFailed, Stopped


def main() -> None:
    """Read a payload, do it, answer."""
    link: Connection[TaskResult, TaskPayload] = Connection(os.dup(0))
    payload = link.recv()
    threading.Thread(target=_end_with_parent, args=[link.fileno()], daemon=True).start()
    with suppress(BrokenPipeError, ConnectionResetError):
        link.send(do(payload))


def do(payload: TaskPayload) -> TaskResult:
    """Do the units of a payload that nobody has done yet; whatever goes wrong is in the answer."""
    done: list[tuple[int, int, int]] = []
    if failure := _look(payload):
        return TaskResult(failure=failure)
    todo = []
    staging = Staging(Path(payload.settings.folder), payload.settings.mark)
    for unit in payload.units:  # another machine may have done some before it was lost
        if staging.is_done(unit, packed=False):
            rows = [isinstance(row, ItemRecord) for row in staging.load(unit.number)]
            done.append((unit.number, sum(rows), len(rows) - sum(rows)))
        else:
            todo.append(unit)

    def note(unit: WorkUnit, items: int, rejected: int) -> None:
        done.append((unit.number, items, rejected))

    def check_stop() -> None:
        if not payload.is_awaited:
            raise Stopped(signal.SIGTERM)

    try:
        Pool(payload.settings, workers=1, check_stop=check_stop, done=note).run(todo)
    except Exception as error:
        return TaskResult(tuple(done), _trouble(error))
    return TaskResult(tuple(done))


def _look(payload: TaskPayload) -> TaskFailure | None:
    """Whether this machine sees what the one that sent the payload sees."""
    folder = Path(payload.settings.folder)
    if not folder.is_dir():
        return TaskFailure("unseen", path=str(folder))
    if not payload.is_awaited:
        return TaskFailure("stopped")
    for entry in () if payload.trusting else (e for unit in payload.units for e in unit.entries):
        try:
            same = os.stat(entry.path).st_size == entry.size  # noqa: PTH116 - any name will do
        except (OSError, ValueError):
            same = False
        if not same:
            return TaskFailure("files", path=entry.path)
    return None


def _trouble(error: Exception) -> TaskFailure:
    if isinstance(error, Stopped):
        return TaskFailure("stopped")
    if isinstance(error, EnvironmentProblem):
        return TaskFailure("environment", error.message, error.hint)
    if isinstance(error, RunFailed):
        return TaskFailure("failed", error.message, error.hint)
    if isinstance(error, OSError) and error.errno:
        text = os.strerror(error.errno)
        return TaskFailure("system", text, number=error.errno, path=str(error.filename or ""))
    lines = "".join(traceback.format_tb(error.__traceback__))  # no message: it may name a patient
    return TaskFailure("bug", f"{type(error).__name__}\n{lines}")


def _end_with_parent(link: int) -> None:
    while os.read(link, 1):  # nothing more is ever sent: this waits for the end
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
