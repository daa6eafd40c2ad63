"""Run the grid of a study and analyse it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medfm_cli.commands.pretrain.monitor_options import SAME
from medfm_cli.commands.pretrain.study.analysis import analyse
from medfm_cli.commands.pretrain.study.cells import Cell
from medfm_cli.commands.pretrain.study.collect import Outcome, read_outcome
from medfm_cli.commands.pretrain.study.factors import factors_of
from medfm_cli.commands.pretrain.study.report import Findings, study_result
from medfm_cli.commands.pretrain.study.runner import CommandResult, run_all
from medfm_cli.errors import RunFailed
from medfm_cli.recipe.dump import dump
from medfm_cli.runs.artefacts import find
from medfm_cli.runs.atomic import write_text

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.recipe import PretrainRecipe
    from medfm_cli.commands.pretrain.study.options import Study
    from medfm_cli.runs import Result, Run

FOLDER = "cells"


@dataclass
class Progress:
    """The run directories of finished cells, and the errors of failed ones."""

    done: dict[Cell, Path] = field(default_factory=dict)
    failed: dict[Cell, str] = field(default_factory=dict)


def run_study(recipe: PretrainRecipe, study: Study, run: Run) -> Result:
    """Run every cell that is not done, then fit and report.

    Raises:
        RunFailed: cells failed, and the recipe does not say to finish without them.
        EnvironmentProblem: the Dask cluster cannot be reached.
        Stopped: a signal came; cells have written their checkpoints.
    """
    progress = _run_cells(recipe, study, run)
    if progress.failed and study.missing == "fail":
        cell, why = next(iter(progress.failed.items()))
        raise RunFailed(
            f"{len(progress.failed)} of {len(recipe.cells())} cells failed; the first, "
            f"{cell.name}: {why}",
            hint="the others are kept: the same command tries only these again; "
            "study.missing=keep finishes without them",
        )
    names = [task.name for task in recipe.tasks]
    outcomes = [read_outcome(cell, folder, names) for cell, folder in progress.done.items()]
    if not outcomes:
        raise RunFailed("no cell of the study is done", hint="see the logs in cells/")
    return study_result(_findings(recipe, study, outcomes, progress), run)


def _findings(
    recipe: PretrainRecipe, study: Study, outcomes: list[Outcome], progress: Progress
) -> Findings:
    kind = recipe.input.kind
    factors = {
        task.name: factors_of(
            find(recipe.data if task.data == SAME else task.data, "dataset"), kind=kind
        )
        for task in recipe.tasks
    }
    return Findings(
        study=study,
        cells=recipe.cells(),
        outcomes=outcomes,
        failed=progress.failed,
        factors=factors,
        analysis=analyse(outcomes, study, factors, seed=recipe.seed),
    )


def _run_cells(recipe: PretrainRecipe, study: Study, run: Run) -> Progress:
    progress = Progress()
    grid = {cell.name: cell for cell in recipe.cells()}
    with run.console.progress("cells", total=len(grid), unit="cells") as bar:

        def ended(name: str, result: CommandResult) -> None:
            cell = grid[name]
            run.log("cell", name=name, code=result.code, error=result.failure)
            if result.failure:
                progress.failed[cell] = result.failure
                run.console.warn(f"{name}: {result.failure}")
            else:
                progress.done[cell] = Path(result.document["run_dir"])
            bar.advance(1, name)

        run_all(
            {name: _command(cell, recipe, run) for name, cell in grid.items()},
            lease=run.path(FOLDER, ".lease").resolve(),
            at_once=run.processes.world if run.processes else 1,
            engine=study.engine,
            address=study.address,
            check_stop=run.check_stop,
            done=ended,
        )
    progress.done = {cell: progress.done[cell] for cell in grid.values() if cell in progress.done}
    return progress


def _command(cell: Cell, recipe: PretrainRecipe, run: Run) -> list[str]:
    """Write the cell's recipe; the command that runs it."""
    file = run.path(FOLDER, f"{cell.name}.yaml")
    write_text(file, dump(recipe.of_cell(cell)))
    out = str(run.path(FOLDER, "runs").resolve())
    program = [sys.executable, "-m", "medfm_cli", "pretrain"]
    return [*program, str(file.resolve()), "--out", out, "--json", "--quiet"]
