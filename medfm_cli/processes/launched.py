"""Several processes of one command, started by torchrun, `accelerate launch` or srun.

The first process is the command: it reads the recipe, holds the lock, curates, prints, writes.
The others hear from it which engine to run in which run directory, and at the end with which code
to end. They meet in torch's store (`training/rendezvous.py`), so torch is imported here, and only
where a launcher started several processes. Under `--processes` see `workers.py` instead.
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
from medfm_cli.processes import spawned as workers
from medfm_cli.processes.placement import Place, find_place, started_alone
from medfm_cli.runs import Result, Run, stopping

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

    from medfm_cli.recipe.parts import Recipe

_POLL_SECONDS = 0.1
_EXCUSE_SECONDS = 3.0
_GOODBYE_SECONDS = 60.0
_LAST_SECONDS = 1.0


class Team:
    """The other processes as the first one sees them."""

    def __init__(self, place: Place, store: Store) -> None:
        self.world = place.world
        self.launcher = place.launcher
        self._store = store
        self._words = 0

    def lead(self, verb: str, recipe: Recipe, run: Run) -> Result:
        """Run a verb's engine in all processes.

        Raises:
            MedfmError: what this process raised, or the one that left it alone.
        """
        from medfm_cli.processes import rendezvous

        number = self._say({"order": workers.order(verb, recipe, run)})
        rendezvous.begin(f"work-{number}")
        run.world = self.world
        try:
            return verbs.engine(verb)(recipe, run)
        except ContactLost as lost:
            raise self._excuse(number) or lost from lost
        except BaseException:
            rendezvous.give_up()
            raise

    def dismiss(self, code: int) -> None:
        """Have the others end with `code`; wait until they heard it: they hear it from us."""
        self._say({"end": code})
        deadline = time.monotonic() + _GOODBYE_SECONDS
        gone = [f"gone-{rank}" for rank in range(1, self.world)]
        while not self._store.check(gone) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _say(self, word: dict[str, Any]) -> int:
        self._store.set(f"word-{self._words}", json.dumps(word))
        self._words += 1
        return self._words - 1

    def _excuse(self, number: int) -> MedfmError | None:
        """Why another process left the work of word `number`, if it could say so."""
        deadline = time.monotonic() + _EXCUSE_SECONDS
        while time.monotonic() < deadline:
            for rank in range(1, self.world):
                if self._store.check([f"error-{number}-{rank}"]):
                    document = json.loads(self._store.get(f"error-{number}-{rank}"))
                    return workers.as_error(document)
            time.sleep(_POLL_SECONDS)
        return None


_team: list[Team] = []


def current() -> Team | None:
    """The team that this process leads, if a launcher started several."""
    return _team[0] if _team else None


def take_part(arguments: Sequence[str], command: Callable[[], None]) -> None:
    """Do `command` if this is the first of the launched processes, or else what that one says.

    Ends the process where it is one of several that share the work. Commands that are no work
    (help, lists of recipes) are done by the first process alone.
    """
    with guarded(Console(), json_wanted="--json" in arguments):
        place = find_place(os.environ)
    if place is None:
        if started_alone(os.environ):
            Console().warn(
                "accelerate launch started one process only, so this runs alone; for several on "
                "the CPU use --processes N, or accelerate launch --multi_gpu without --cpu"
            )
        return command()
    if not _is_work(arguments):
        return command() if place.rank == 0 else sys.exit(0)
    if place.rank:
        sys.exit(_follow(place))
    return _lead(place, command)


def _is_work(arguments: Sequence[str]) -> bool:
    """Whether the command is a verb with a recipe, for which the others are needed."""
    if not arguments or {"-h", "--help"} & set(arguments):
        return False
    return arguments[0] in VERBS and verbs.has_recipe(arguments[0])


def _lead(place: Place, command: Callable[[], None]) -> None:
    try:
        from medfm_cli.processes.rendezvous import meet

        _team.append(Team(place, meet()))
    except ModuleNotFoundError:  # no torch: the engine says what is missing
        return command()
    code = int(ExitCode.BUG)
    try:
        command()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    finally:
        with suppress(RuntimeError):  # the launcher ended them, and their store
            _team[0].dismiss(code)


def _follow(place: Place) -> int:
    """Be one of the others; gives the exit code."""
    stopping.install(silent=True)
    # What libraries print, they print in every process.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    try:
        from medfm_cli.processes import rendezvous

        store, number = rendezvous.meet(), 0
        while True:
            word = _hear(store, f"word-{number}")
            if "end" in word:
                store.set(f"gone-{place.rank}", "")
                if word["end"]:  # launchers blame the one that ends first: not us
                    time.sleep(_LAST_SECONDS)
                return int(word["end"])
            rendezvous.begin(f"work-{number}")
            if error := _do(word["order"], place):
                store.set(f"error-{number}-{place.rank}", json.dumps(error))
                rendezvous.give_up()
            number += 1
    except ModuleNotFoundError:
        return int(ExitCode.ENVIRONMENT)
    except MedfmError as error:  # a second signal
        return int(error.exit_code)
    except RuntimeError:  # the first process is gone, and so is the store
        return int(ExitCode.FAILED)


def _hear(store: Store, key: str) -> dict[str, Any]:
    """Wait for a word, for as long as the first process lives: it may curate for hours."""
    while not store.check([key]):
        time.sleep(_POLL_SECONDS)
    word: dict[str, Any] = json.loads(store.get(key))
    return word


def _do(order: dict[str, Any], place: Place) -> dict[str, Any] | None:
    """Run an engine; gives the error it ended with, which is the first process's to tell."""
    listener = _Listener()
    listener.run_dir = Path(order["dir"])
    try:
        with guarded(listener, json_wanted=False):
            workers.run_order(order, listener, rank=place.rank, world=place.world)
    except SystemExit as end:
        kind = "bug" if end.code == ExitCode.BUG else ExitCode(int(end.code or 1)).name.lower()
        message, hint = listener.heard
        return {"kind": kind, "message": message, "hint": hint, "exit_code": end.code}
    return None


class _Listener(Silence):
    """Keeps the error that would be shown."""

    heard: tuple[str, str | None] = ("", None)

    def error(self, text: str, hint: str | None = None) -> None:
        self.heard = (text, hint)
