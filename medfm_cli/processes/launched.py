"""Several processes of one command, started by torchrun, `accelerate launch` or srun.

The first process is the command: it reads the recipe, holds the lock, curates, prints, writes.
The others receive from it which engine to run in which run directory, and at the end with which
code to end. They meet in torch's store (rendezvous.py), so torch is imported here, and only
where a launcher started several processes. For `--processes` see spawned.py instead.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfm_cli import verbs
from medfm_cli.commands import VERBS
from medfm_cli.console import Console, Silence
from medfm_cli.envelope import guarded
from medfm_cli.errors import ContactLost, ExitCode, MedfmError
from medfm_cli.processes.message import error_of, job_message, run_job
from medfm_cli.processes.placement import Place, find_place, started_alone
from medfm_cli.runs import Result, Run, stopping

if TYPE_CHECKING:
    from torch.distributed import Store  # type: ignore[attr-defined]

    from medfm_cli.recipe.parts import Recipe

_POLL_SECONDS = 0.1
_REASON_SECONDS = 3.0
_SHUTDOWN_SECONDS = 60.0
_LAST_SECONDS = 1.0


class Launched:
    """All processes of the launcher, as the first one sees them.

    Attributes:
        world: how many there are.
        launcher: what started them.
    """

    def __init__(self, place: Place, store: Store) -> None:
        self.world = place.world
        self.launcher: str | None = place.launcher
        self._store = store
        self._messages = 0

    def lead(self, verb: str, recipe: Recipe, run: Run) -> Result:
        """Run a verb's engine in all processes.

        Raises:
            MedfmError: what this process raised, or the one that left it alone.
        """
        from medfm_cli.processes import rendezvous

        number = self._send({"job": job_message(verb, recipe, run)})
        rendezvous.begin(f"work-{number}")
        run.world = self.world
        try:
            return verbs.engine(verb)(recipe, run)
        except ContactLost as lost:
            raise self._failure_reason(number) or lost from lost
        except BaseException:
            rendezvous.give_up()
            raise

    def shutdown(self, code: int) -> None:
        """Have the others end with `code`; wait until they received it: this process has it."""
        self._send({"end": code})
        deadline = time.monotonic() + _SHUTDOWN_SECONDS
        gone = [f"gone-{rank}" for rank in range(1, self.world)]
        while not self._store.check(gone) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _send(self, message: dict[str, Any]) -> int:
        self._store.set(f"message-{self._messages}", json.dumps(message))
        self._messages += 1
        return self._messages - 1

    def _failure_reason(self, number: int) -> MedfmError | None:
        """The error with which another process left job `number`, if it could send one."""
        deadline = time.monotonic() + _REASON_SECONDS
        while time.monotonic() < deadline:
            for rank in range(1, self.world):
                if self._store.check([f"error-{number}-{rank}"]):
                    return error_of(json.loads(self._store.get(f"error-{number}-{rank}")))
            time.sleep(_POLL_SECONDS)
        return None


Command = Callable[["Launched | None"], None]


def join_group(arguments: Sequence[str], command: Command) -> None:
    """Run `command` if this is the first of the launched processes, else work for that one.

    Ends the process where it is one of several that share the work. Commands without a recipe
    (help, lists of recipes) are run by the first process alone.
    """
    with guarded(Console(), as_json="--json" in arguments):
        place = find_place(os.environ)
    if place is None:
        if started_alone(os.environ):
            Console().warn(
                "accelerate launch started one process only, so this runs alone; for several on "
                "the CPU use --processes N, or accelerate launch --multi_gpu without --cpu"
            )
        return command(None)
    if not _has_recipe(arguments):
        return command(None) if place.rank == 0 else sys.exit(0)
    if place.rank:
        sys.exit(_run_as_worker(place))
    return _run_as_main(place, command)


def _has_recipe(arguments: Sequence[str]) -> bool:
    """Whether the command is a verb with a recipe, for which the others are needed."""
    if not arguments or {"-h", "--help"} & set(arguments):
        return False
    return arguments[0] in VERBS and verbs.has_recipe(arguments[0])


def _run_as_main(place: Place, command: Command) -> None:
    try:
        from medfm_cli.processes.rendezvous import meet

        launched = Launched(place, meet())
    except ModuleNotFoundError:  # no torch: the engine reports what is missing
        return command(None)
    code = int(ExitCode.BUG)
    try:
        command(launched)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    finally:
        with suppress(RuntimeError):  # the launcher ended them, and their store
            launched.shutdown(code)


def _run_as_worker(place: Place) -> int:
    """Run every engine that the first process names; gives the exit code."""
    stopping.install(silent=True)
    # What libraries print, they print in every process.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    try:
        from medfm_cli.processes import rendezvous

        store, number = rendezvous.meet(), 0
        while True:
            message = _receive(store, f"message-{number}")
            if "end" in message:
                store.set(f"gone-{place.rank}", "")
                if message["end"]:  # launchers blame the one that ends first: not us
                    time.sleep(_LAST_SECONDS)
                return int(message["end"])
            rendezvous.begin(f"work-{number}")
            if error := _work(message["job"], place):
                store.set(f"error-{number}-{place.rank}", json.dumps(error))
                rendezvous.give_up()
            number += 1
    except ModuleNotFoundError:
        return int(ExitCode.ENVIRONMENT)
    except MedfmError as error:  # a second signal
        return int(error.exit_code)
    except RuntimeError:  # the first process is gone, and so is the store
        return int(ExitCode.FAILED)


def _receive(store: Store, key: str) -> dict[str, Any]:
    """Wait for a message while the first process lives: it may curate for hours."""
    while not store.check([key]):
        time.sleep(_POLL_SECONDS)
    message: dict[str, Any] = json.loads(store.get(key))
    return message


def _work(job: dict[str, Any], place: Place) -> dict[str, Any] | None:
    """Run an engine; gives the error that ended it, which the first process will report."""
    console = _ErrorRecorder()
    console.run_dir = Path(job["dir"])
    try:
        with guarded(console, as_json=False):
            run_job(job, console, rank=place.rank, world=place.world)
    except SystemExit as end:
        kind = "bug" if end.code == ExitCode.BUG else ExitCode(int(end.code or 1)).name.lower()
        message, hint = console.last_error
        return {"kind": kind, "message": message, "hint": hint, "exit_code": end.code}
    return None


class _ErrorRecorder(Silence):
    """A silent console that keeps the last error."""

    last_error: tuple[str, str | None] = ("", None)

    def error(self, text: str, hint: str | None = None) -> None:
        self.last_error = (text, hint)
