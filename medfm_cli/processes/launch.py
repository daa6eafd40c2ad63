"""Several processes of one command on one machine, for data-parallel training. Torch-free.

The parent holds the run directory and its lock, starts the processes, passes signals on to them,
and ends the others when one dies. Processes find each other through torch's usual environment
variables (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT).

torch.distributed.run does most of this, and medfm works under it too (launched.py). Measured with
torch 2.15 it is worse here: its parent imports torch (4.5 s of processor time, 600 MB; this one
0.3 s); when the parent is killed its processes live on and write into a run directory that nobody
locks (here they end at once); SIGTERM gives a traceback and exit code 1 (here a checkpoint and
143); a dead process gives 49 lines (here one sentence).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import IO

from medfm_cli.errors import RunFailed
from medfm_cli.runs.machine import usable_cpus

STORE_SOCKET = "MEDFM_STORE_SOCKET"
"""The environment variable that names the listening socket of the store, in the first process."""

_LIFELINE = "MEDFM_WORKER_LIFELINE"
_POLL_SECONDS = 0.05
_GRACE_SECONDS = 5.0


@dataclass
class _Worker:
    rank: int
    process: subprocess.Popen[bytes]
    errors: IO[bytes] | None  # rank 0 writes to our own stderr

    def show_errors(self) -> None:
        """Print what a silent worker wrote to stderr."""
        if self.errors is not None:
            self.errors.seek(0)
            shutil.copyfileobj(self.errors, sys.stderr.buffer)
            sys.stderr.flush()


def launch(argv: Sequence[str], processes: int, env: Mapping[str, str]) -> int:
    """Run `argv` in `processes` processes and give the exit code.

    Rank 0 keeps stdout and stderr; the stderr of the others is shown only when one of them is
    the first to fail. SIGINT and SIGTERM are passed on to all. When one process fails, the
    others get a few seconds to end by themselves, are then ended, and its exit code is given.

    Raises:
        RunFailed: a process was killed by a signal (by the kernel for want of memory, say).
    """
    reading, writing = os.pipe()
    # The first process inherits the socket of its store: no other program can take the port.
    meeting_place = socket.create_server(("127.0.0.1", 0), backlog=max(128, processes))
    shared = dict(env) | {
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(meeting_place.getsockname()[1]),
        "OMP_NUM_THREADS": env.get("OMP_NUM_THREADS", str(max(1, usable_cpus() // processes))),
        _LIFELINE: str(reading),
    }
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, writing)
        stack.callback(os.close, reading)
        stack.enter_context(meeting_place)
        workers: list[_Worker] = []
        stack.callback(_end, workers)
        with _signals_passed_on(workers) as signals:
            for rank in range(processes):
                errors = None if rank == 0 else stack.enter_context(tempfile.TemporaryFile())
                inherited = (reading,) if rank else (reading, meeting_place.fileno())
                own = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
                if rank == 0:
                    own[STORE_SOCKET] = str(meeting_place.fileno())
                # A session of its own keeps a Ctrl-C at the terminal from arriving twice.
                process = subprocess.Popen(
                    list(argv),
                    env=shared | own,
                    stdin=subprocess.DEVNULL,
                    stdout=None if rank == 0 else subprocess.DEVNULL,
                    stderr=errors,
                    pass_fds=inherited,
                    start_new_session=True,
                )
                workers.append(_Worker(rank, process, errors))
            meeting_place.close()
            return _wait(workers, signals)


def follow_parent() -> None:
    """In a worker: end at once when the parent is gone, so that none outlives the run's lock.

    The parent holds the writing end of a pipe that no one writes to; its death, however sudden,
    closes it. Does nothing in a process that `launch` did not start.
    """
    number = os.environ.pop(_LIFELINE, None)
    if number is None:
        return

    def wait() -> None:
        with contextlib.suppress(OSError):
            os.read(int(number), 1)
        os._exit(128 + signal.SIGKILL)

    threading.Thread(target=wait, name="medfm-lifeline", daemon=True).start()


def _wait(workers: list[_Worker], signals: list[int]) -> int:
    """Wait for all; after a first failure, only for a while. `signals` were passed on."""
    first: _Worker | None = None
    deadline = float("inf")
    while None in [worker.process.poll() for worker in workers]:  # polls every one
        first = first or next((w for w in workers if w.process.returncode), None)
        if first is not None:
            deadline = min(deadline, time.monotonic() + _GRACE_SECONDS)
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_SECONDS)
    first = first or next((w for w in workers if w.process.returncode), None)
    if first is None:
        return 0
    # One that fails at the same time as another is killed has only lost its partner.
    killed = (w for w in workers if (w.process.returncode or 0) < 0)
    first = next((w for w in killed if -w.process.returncode not in signals), first)
    code = int(first.process.returncode)
    first.show_errors()
    if -code in signals:  # it came before the worker had learned to stop in order
        return 128 - code
    if code < 0:
        raise RunFailed(
            f"training process {first.rank} of {len(workers)} was killed by "
            f"{signal.Signals(-code).name}",
            hint="if memory ran out, use a smaller batch or fewer processes; "
            "the same command continues from the last checkpoint",
        )
    return code


def _end(workers: list[_Worker]) -> None:
    """End what still runs: politely, then not."""
    running = [worker.process for worker in workers if worker.process.poll() is None]
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _signals_passed_on(workers: list[_Worker]) -> Iterator[list[int]]:
    received: list[int] = []

    def pass_on(signum: int, _frame: FrameType | None) -> None:
        received.append(signum)
        for worker in workers:
            if worker.process.poll() is None:
                worker.process.send_signal(signum)

    previous = {
        number: signal.signal(number, pass_on)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
