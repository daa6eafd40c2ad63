"""`--processes N`: one parent that owns the run directory, N workers that run the engine in it.

The parent writes the checked recipe to worker.json and starts the workers; rank 0 leaves its
result in worker-result.json, a worker that fails leaves its error in worker-error.json.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfm_cli import verbs
from medfm_cli.console import Console, Silence
from medfm_cli.errors import EnvironmentProblem, MedfmError
from medfm_cli.runs import Result, Run, stopping
from medfm_cli.runs.atomic import write_json

if TYPE_CHECKING:
    from medfm_cli.recipe.parts import Recipe

RUN_DIR = "MEDFM_WORKER_RUN_DIR"
"""The environment variable by which a process knows that it is a worker, and of which run."""


def lead(verb: str, recipe: Recipe, run: Run) -> Result:
    """Run a verb's engine in `run.processes` processes.

    Raises:
        MedfmError: what the first failing worker raised.
    """
    from medfm_cli.processes.launch import launch

    run.path("worker-error.json").unlink(missing_ok=True)
    write_json(run.path("worker.json"), order(verb, recipe, run))
    environment = os.environ | {RUN_DIR: str(run.dir.resolve())}
    code = launch([sys.executable, "-m", "medfm_cli"], run.processes, environment)
    if code:
        raise _error(run.dir / "worker-error.json", code)
    document = json.loads((run.dir / "worker-result.json").read_text("utf-8"))
    run.resolved.update(document["resolved"])
    for name in ("worker.json", "worker-result.json"):
        (run.dir / name).unlink()
    return Result.from_json(document["result"])


def follow(folder: Path) -> int:
    """Be one of the workers of the run in `folder`; gives the exit code."""
    from medfm_cli.processes.launch import follow_parent

    follow_parent()
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    stopping.install(silent=rank > 0)
    orders = json.loads((folder / "worker.json").read_text("utf-8"))
    console = Console(orders["level"]) if rank == 0 else Silence()
    console.run_dir = folder
    try:
        result, run = run_order(orders, console, rank=rank, world=world)
    except MedfmError as error:
        _leave_error(folder, error)
        return int(error.exit_code)
    if rank == 0:
        document = {"result": result.to_json(), "resolved": run.resolved}
        write_json(folder / "worker-result.json", document)
    return 0


def order(verb: str, recipe: Recipe, run: Run) -> dict[str, Any]:
    """All that another process must know to take part in `run`: plain data."""
    return {
        "verb": verb,
        "name": run.name,
        "hash": run.hash,
        "level": run.console.level,
        "recipe": recipe.model_dump(mode="json"),
        "dir": str(run.dir.resolve()),
    }


def run_order(
    order: dict[str, Any], console: Console, *, rank: int, world: int
) -> tuple[Result, Run]:
    """Run the engine that `order` names as one of `world` processes."""
    verb, folder = order["verb"], Path(order["dir"])
    run = Run(folder, verb, order["name"], order["hash"], console, rank, world, world)
    recipe = verbs.recipe_model(verb).model_validate(order["recipe"])
    return verbs.engine(verb)(recipe, run), run


def as_error(document: dict[str, Any]) -> MedfmError:
    """The error that another process left as plain data."""
    error = MedfmError(document["message"], hint=document["hint"])
    error.kind, error.exit_code = document["kind"], document["exit_code"]
    return error


def _leave_error(folder: Path, error: MedfmError) -> None:
    document: dict[str, Any] = {
        "kind": error.kind,
        "message": error.message,
        "hint": error.hint,
        "exit_code": int(error.exit_code),
    }
    path = folder / "worker-error.json"
    if not path.exists():  # the first to fail knows best why
        write_json(path, document)


def _error(path: Path, code: int) -> MedfmError:
    if not path.is_file():
        return EnvironmentProblem(
            f"a training process ended with exit code {code} and said no more",
            hint="run again with --processes 1 to see what it says",
        )
    document = json.loads(path.read_text("utf-8"))
    path.unlink()
    return as_error(document)
