"""What the main process sends to its workers, and what they send back: plain JSON values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfm_cli import verbs
from medfm_cli.errors import MedfmError
from medfm_cli.runs import Result, Run

if TYPE_CHECKING:
    from medfm_cli.console import Console
    from medfm_cli.recipe.parts import Recipe


def job_message(verb: str, recipe: Recipe, run: Run) -> dict[str, Any]:
    """Everything that a worker needs to know to run the engine of `run`."""
    return {
        "verb": verb,
        "name": run.name,
        "hash": run.hash,
        "level": run.console.level,
        "recipe": recipe.model_dump(mode="json"),
        "dir": str(run.dir.resolve()),
    }


def run_job(job: dict[str, Any], console: Console, *, rank: int, world: int) -> tuple[Result, Run]:
    """Run the engine that a job message names, as process `rank` of `world`."""
    verb, folder = job["verb"], Path(job["dir"])
    run = Run(folder, verb, job["name"], job["hash"], console, rank, world)
    recipe = verbs.recipe_model(verb).model_validate(job["recipe"])
    return verbs.engine(verb)(recipe, run), run


def error_message(error: MedfmError) -> dict[str, Any]:
    """An error as plain values."""
    return {
        "kind": error.kind,
        "message": error.message,
        "hint": error.hint,
        "exit_code": int(error.exit_code),
    }


def error_of(message: dict[str, Any]) -> MedfmError:
    """The error that another process sent as plain values."""
    error = MedfmError(message["message"], hint=message["hint"])
    error.kind, error.exit_code = message["kind"], message["exit_code"]
    return error
