"""Commands run side by side: on this machine, or on a Dask cluster. Torch-free.

A command is a process of its own: a cell that crashes takes nothing with it, and each finds its own
run directory, lock and checkpoints again.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medfm_cli.processes.dask import connected
from medfm_cli.runs.machine import usable_cpus

TICK = 0.5
LOCKED = 75
"""The exit code of a command whose run directory another process holds."""
_GRACE = 30.0


@dataclass(frozen=True)
class CommandResult:
    """How a command ended: its exit code, and the JSON document it printed."""

    code: int
    document: dict[str, Any]

    @property
    def failure(self) -> str:
        """What went wrong, in one sentence; empty when nothing did."""
        if not self.code:
            return ""
        error = self.document.get("error") or {}
        return str(error.get("message") or f"it ended with exit code {self.code}")


def run_all(
    commands: Mapping[str, Sequence[str]],
    *,
    lease: Path,
    at_once: int,
    engine: str = "local",
    address: str | None = None,
    check_stop: Callable[[], None],
    done: Callable[[str, CommandResult], None],
) -> None:
    """Run every command; `done` is called with the name and end of each, as it ends.

    Args:
        commands: argv by name, in the order in which they are begun.
        lease: a file; commands end themselves, after a checkpoint, when it is gone.
        at_once: commands at a time; a Dask cluster with an address has its own number.
        engine: `local` or `dask`.
        address: a Dask scheduler's; without one a cluster is made in this process.
        check_stop: raises when the run should stop; called twice a second.

    Raises:
        EnvironmentProblem: Dask is not installed, or there is no scheduler at the address.
    """
    variables = {"OMP_NUM_THREADS": str(max(1, usable_cpus() // at_once))}
    if engine == "dask" and address is not None:
        variables = {}
    lease.touch()
    try:
        with _executor(engine, address, at_once) as submit:
            waiting = {
                submit(run_one, list(argv), str(lease), variables): name
                for name, argv in commands.items()
            }
            try:
                while waiting:
                    for future in _ended(waiting):
                        done(waiting.pop(future), future.result())
                    check_stop()
            except BaseException:
                lease.unlink(missing_ok=True)
                for future in waiting:
                    future.cancel()
                raise
    finally:
        lease.unlink(missing_ok=True)


def run_one(argv: list[str], lease: str, variables: dict[str, str]) -> CommandResult:
    """Run one command to its end, or until the lease is gone."""
    while True:
        result = _once(argv, Path(lease), variables)
        if result.code != LOCKED or not Path(lease).exists():
            return result
        time.sleep(TICK)  # the process of a lost worker still finishes its cell


def _once(argv: list[str], lease: Path, variables: dict[str, str]) -> CommandResult:
    if not lease.exists():
        return CommandResult(143, {})
    process = subprocess.Popen(
        argv,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        out = _read_output(process, lease)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return CommandResult(process.returncode, _document(out))


def _read_output(process: subprocess.Popen[bytes], lease: Path) -> bytes:
    """The output of a process until it ends, or is ended because the lease is gone.

    Read as it comes: one that has printed more than a pipe holds would wait for its reader.
    """
    while True:
        try:
            return process.communicate(timeout=TICK)[0]
        except subprocess.TimeoutExpired:
            if lease.exists():
                continue
        process.terminate()
        try:
            return process.communicate(timeout=_GRACE)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            return process.communicate()[0]


def _document(out: bytes) -> dict[str, Any]:
    try:
        document = json.loads(out)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _ended(waiting: Mapping[Any, str]) -> list[Any]:
    """The futures that have ended, after half a second at most."""
    if all(isinstance(future, Future) for future in waiting):
        return list(wait(list(waiting), timeout=TICK, return_when=FIRST_COMPLETED).done)
    done = [future for future in waiting if future.done()]
    if not done:
        time.sleep(TICK)
    return done


@contextmanager
def _executor(engine: str, address: str | None, at_once: int) -> Iterator[Callable[..., Any]]:
    if engine == "dask":
        with connected(address, workers=at_once) as client:
            yield lambda *call: client.submit(*call, pure=False)
    else:
        executor: Executor
        with ThreadPoolExecutor(at_once) as executor:
            yield executor.submit
