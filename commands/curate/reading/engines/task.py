"""What a Dask worker does for a run: start a process for a payload and hand back its answer.

Nothing here raises: Dask would write the error, and what the task was given, into its logs.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import replace
from multiprocessing import Pipe

from medfm_cli.commands.curate.reading.engines.task_payload import (
    TaskFailure,
    TaskPayload,
    TaskResult,
    mismatch,
)

COMMAND = (sys.executable, "-P", "-m", "medfm_cli.commands.curate.reading.engines.child")


def work(payload: TaskPayload) -> TaskResult:
    """Do the units of a payload in a process of its own; runs in a thread of a Dask worker."""
    where = socket.gethostname()
    if different := mismatch(payload.versions):
        return TaskResult(failure=TaskFailure("versions", different), where=where)
    try:
        return replace(_ask(payload), where=where)
    except OSError as error:
        text = f"no process can be started ({error.strerror or type(error).__name__})"
        return TaskResult(failure=TaskFailure("environment", text), where=where)


def _ask(payload: TaskPayload) -> TaskResult:
    """Give a child its payload; it ends when this side of the socket is closed."""
    quiet = subprocess.DEVNULL  # libraries quote what they read
    ours, theirs = Pipe()
    with ours:
        with theirs:
            child = subprocess.Popen(COMMAND, stdin=theirs.fileno(), stdout=quiet, stderr=quiet)
        try:
            ours.send(payload)
            answer: TaskResult = ours.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            answer = TaskResult(failure=TaskFailure("died"))
        finally:
            ours.close()
            child.wait()
    return answer
