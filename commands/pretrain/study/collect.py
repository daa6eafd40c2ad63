"""Collect the results of cells: sizes, costs, and scores with their bootstrap draws."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from medfm_cli.commands.pretrain.study.fits import Point
from medfm_cli.metrics import SCORERS, Cases, Resampler, make_cases
from medfm_cli.metrics.weighting import unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.study.cells import Cell


@dataclass(frozen=True, eq=False)
class Score:
    """One encoder on one task: the metric, and the same on every draw of test subjects, [B]."""

    value: float
    draws: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Outcome:
    """The result of a finished cell.

    Attributes:
        numbers: the metrics of its result.
        cases: the scored test images of each task.
    """

    cell: Cell
    numbers: Mapping[str, Any]
    cases: Mapping[str, Cases]

    @property
    def parameters(self) -> int:
        """Parameters of the encoder alone: the x-axis of model size."""
        return int(self.numbers["parameters_encoder"])

    @property
    def samples(self) -> int:
        """Training samples: the x-axis of data size."""
        return int(self.numbers["samples"])


def read_outcome(cell: Cell, run_dir: Path, tasks: Sequence[str]) -> Outcome:
    """Read the result of a cell and its predictions of every test image."""
    numbers = json.loads((run_dir / "result.json").read_text("utf-8"))["metrics"]
    cases = {task: read_cases(run_dir / "tasks" / f"{task}.parquet") for task in tasks}
    return Outcome(cell, numbers, cases)


def read_cases(path: Path) -> Cases:
    """The scored images of a predictions file (`scoring.predictions`)."""
    table = pq.read_table(path)
    columns = [name for name in table.column_names if name.startswith("probability_")]
    classes = [name.removeprefix("probability_") for name in columns]
    index = {name: number for number, name in enumerate(classes)}
    return make_cases(
        [index[label] for label in table.column("label").to_pylist()],
        np.stack([table.column(name).to_numpy() for name in columns], axis=1),
        subjects=table.column("subject_id").to_pylist(),
        classes=classes,
    )


def score(outcomes: Iterable[Outcome], task: str, metric: str, *, draws: int) -> dict[Cell, Score]:
    """Every cell on one task, with draws of test subjects that all cells share."""
    cases = {outcome.cell: outcome.cases[task] for outcome in outcomes}
    if not cases:
        return {}
    prepared = {cell: SCORERS[metric].prepare(each) for cell, each in cases.items()}
    subjects = next(iter(cases.values())).subjects
    drawn = Resampler(subjects, draws).run(prepared)
    return {
        cell: Score(unit(statistic, cases[cell].n), drawn[cell])
        for cell, statistic in prepared.items()
    }


def points(scores: Mapping[Cell, Score], size: Mapping[Cell, float]) -> list[Point]:
    """The scores of some cells by size; cells of one size are its seeds."""
    curve = []
    for each in sorted({size[cell] for cell in scores}):
        seeds = [scores[cell] for cell in scores if size[cell] == each]
        values = np.array([score.value for score in seeds])
        finite = np.isfinite(values)
        draws = np.stack([score.draws for score in seeds])
        curve.append(Point(each, values[finite], draws[finite]))
    return curve
