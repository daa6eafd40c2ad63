"""The run directory, and the processes that work in it, as an engine sees them."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from medfm_cli.runs import stopping
from medfm_cli.runs.atomic import no_link
from medfm_cli.runs.result import finite

if TYPE_CHECKING:
    from pathlib import Path

    from medfm_cli.console import Console
    from medfm_cli.recipe.parts import Recipe
    from medfm_cli.runs.result import Result


class Processes(Protocol):
    """One process or several; medfm_cli/processes/ has one class for each way to start them."""

    @property
    def world(self) -> int:
        """How many processes there are."""

    @property
    def launcher(self) -> str | None:
        """What started them before medfm began (torchrun, srun); None where medfm starts them."""

    def lead(self, verb: str, recipe: Recipe, run: Run) -> Result:
        """Run a verb's engine in all of them; this process owns the run directory.

        Raises:
            MedfmError: the error of the process that failed first.
        """


@dataclass
class Run:
    """A locked run directory and its records.

    Attributes:
        dir: the run directory.
        verb: the verb that runs.
        name: the recipe's name.
        hash: the full identity hash.
        console: prints for people.
        rank: which of `world` processes this is.
        world: how many processes work together.
        processes: the processes that an engine may hand on; None in a worker and without any.
        inputs: the content hashes of what the recipe names, by its key; none in a worker.
        resolved: every `auto` with the value chosen and why.
    """

    dir: Path
    verb: str
    name: str
    hash: str
    console: Console
    rank: int = 0
    world: int = 1
    processes: Processes | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    resolved: dict[str, dict[str, Any]] = field(default_factory=dict)
    _writing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def path(self, *parts: str) -> Path:
        """A path inside the run directory; the folders above it are made."""
        path = self.dir.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def log(self, event: str, **fields: Any) -> None:
        """Append an event to log.jsonl. Never pass patient data."""
        self._append("log.jsonl", {"time": round(time.time(), 3), "event": event, **fields})

    def metric(self, **fields: Any) -> None:
        """Append numbers to metrics.jsonl."""
        self._append("metrics.jsonl", fields)

    def resolve(self, key: str, value: Any, why: str) -> None:
        """Record the value of an `auto`, for recipe.resolved.yaml."""
        self.resolved[key] = {"value": finite(value), "why": why}
        self.log("resolved", key=key, value=finite(value), why=why)

    @property
    def stop_requested(self) -> bool:
        """Whether a signal asks this run to stop."""
        return stopping.requested()

    def check_stop(self) -> None:
        """Raise `Stopped` when a signal came: call between units of work, after a checkpoint."""
        stopping.check()

    def _append(self, name: str, record: dict[str, Any]) -> None:
        if self.rank:
            return
        line = json.dumps(finite(record), ensure_ascii=False, default=str) + "\n"
        # One write of one line: a kill can tear at most the last line, which readers skip.
        path = self.dir / name
        with self._writing, open(path, "a", encoding="utf-8", opener=no_link) as file:
            file.write(line)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The records of a .jsonl file; a torn last line is left out, a missing file is empty."""
    if not path.is_file():
        return []
    records = []
    for line in path.read_text("utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return records
