"""`python -m medfm_cli.commands.curate.reading.engines.child`: does one parcel of units, then ends.

A Dask task is a thread, in which a file cannot be given a time limit and whose process may have no
children of its own, so each task starts this process. Its standard input is a socket on which it
is told the parcel (the key of the pseudonyms stands in no argument, variable or file) and answers.
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

from medfm_cli.commands.curate.reading.engines.task_payload import Answer, Parcel, Trouble
from medfm_cli.commands.curate.reading.pool import Pool
from medfm_cli.commands.curate.reading.staging import ItemRecord, Spool, Unit
from medfm_cli.errors import EnvironmentProblem, RunFailed, Stopped


def main() -> None:
    """Read a parcel, do it, answer."""
    link: Connection[Answer, Parcel] = Connection(os.dup(0))
    parcel = link.recv()
    threading.Thread(target=_end_with_parent, args=[link.fileno()], daemon=True).start()
    with suppress(BrokenPipeError, ConnectionResetError):
        link.send(do(parcel))


def do(parcel: Parcel) -> Answer:
    """Do the units of a parcel that nobody has done yet; whatever goes wrong is in the answer."""
    done: list[tuple[int, int, int]] = []
    if trouble := _look(parcel):
        return Answer(trouble=trouble)
    todo = []
    spool = Spool(Path(parcel.settings.folder), parcel.settings.mark)
    for unit in parcel.units:  # another machine may have done some before it was lost
        if spool.is_done(unit, packed=False):
            rows = [isinstance(row, ItemRecord) for row in spool.load(unit.number)]
            done.append((unit.number, sum(rows), len(rows) - sum(rows)))
        else:
            todo.append(unit)

    def note(unit: Unit, found: int, refused: int) -> None:
        done.append((unit.number, found, refused))

    def check_stop() -> None:
        if not parcel.wanted:
            raise Stopped(signal.SIGTERM)

    try:
        Pool(parcel.settings, workers=1, check_stop=check_stop, done=note).run(todo)
    except Exception as error:
        return Answer(tuple(done), _trouble(error))
    return Answer(tuple(done))


def _look(parcel: Parcel) -> Trouble | None:
    """Whether this machine sees what the one that sent the parcel sees."""
    folder = Path(parcel.settings.folder)
    if not folder.is_dir():
        return Trouble("unseen", path=str(folder))
    if not parcel.wanted:
        return Trouble("stopped")
    for entry in () if parcel.trusting else (e for unit in parcel.units for e in unit.entries):
        try:
            same = os.stat(entry.path).st_size == entry.size  # noqa: PTH116 - any name will do
        except (OSError, ValueError):
            same = False
        if not same:
            return Trouble("files", path=entry.path)
    return None


def _trouble(error: Exception) -> Trouble:
    if isinstance(error, Stopped):
        return Trouble("stopped")
    if isinstance(error, EnvironmentProblem):
        return Trouble("environment", error.message, error.hint)
    if isinstance(error, RunFailed):
        return Trouble("failed", error.message, error.hint)
    if isinstance(error, OSError) and error.errno:
        text = os.strerror(error.errno)
        return Trouble("system", text, number=error.errno, path=str(error.filename or ""))
    lines = "".join(traceback.format_tb(error.__traceback__))  # no message: it may name a patient
    return Trouble("bug", f"{type(error).__name__}\n{lines}")


def _end_with_parent(link: int) -> None:
    while os.read(link, 1):  # nothing more is ever sent: this waits for the end
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
