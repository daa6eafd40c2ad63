"""`--processes N`: one main process that owns the run directory, N workers that run the engine.

The main process writes the checked recipe to worker.json and starts the workers (launch.py); rank 0
leaves its result in worker-result.json, a worker that fails leaves its error in worker-error.json.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medfm_cli.console import Console, Silence
from medfm_cli.errors import EnvironmentProblem, MedfmError
from medfm_cli.processes.launch import follow_parent, launch
from medfm_cli.processes.message import error_message, error_of, job_message, run_job
from medfm_cli.runs import Result, Run, stopping
from medfm_cli.runs.atomic import write_json

if TYPE_CHECKING:
    from medfm_cli.recipe.parts import Recipe

RUN_DIR = "MEDFM_WORKER_RUN_DIR"
"""The environment variable that identifies a worker process and its run."""


@dataclass(frozen=True)
class Spawned:
    """Processes that are started for one engine and end with it."""

    world: int
    launcher: str | None = None

    def lead(self, verb: str, recipe: Recipe, run: Run) -> Result:
        """Run a verb's engine in `world` new processes.

        Raises:
            MedfmError: what the first failing worker raised.
        """
        run.path("worker-error.json").unlink(missing_ok=True)
        write_json(run.path("worker.json"), job_message(verb, recipe, run))
        environment = os.environ | {RUN_DIR: str(run.dir.resolve())}
        code = launch([sys.executable, "-m", "medfm_cli"], self.world, environment)
        if code:
            raise _error(run.dir / "worker-error.json", code)
        document = json.loads((run.dir / "worker-result.json").read_text("utf-8"))
        run.resolved.update(document["resolved"])
        for name in ("worker.json", "worker-result.json"):
            (run.dir / name).unlink()
        return Result.from_json(document["result"])


def run_as_worker(folder: Path) -> int:
    """Run the engine as one of the workers of the run in `folder`; gives the exit code."""
    follow_parent()
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    stopping.install(silent=rank > 0)
    job = json.loads((folder / "worker.json").read_text("utf-8"))
    console = Console(job["level"]) if rank == 0 else Silence()
    console.run_dir = folder
    try:
        result, run = run_job(job, console, rank=rank, world=world)
    except MedfmError as error:
        path = folder / "worker-error.json"
        if not path.exists():  # the first to fail knows best why
            write_json(path, error_message(error))
        return int(error.exit_code)
    if rank == 0:
        document = {"result": result.to_json(), "resolved": run.resolved}
        write_json(folder / "worker-result.json", document)
    return 0


def _error(path: Path, code: int) -> MedfmError:
    if not path.is_file():
        return EnvironmentProblem(
            f"a training process ended with exit code {code} and gave no reason",
            hint="run again with --processes 1 to see its messages",
        )
    document = json.loads(path.read_text("utf-8"))
    path.unlink()
    return error_of(document)
