"""From scored cells to lines, correlations and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from medfm_cli.commands.pretrain.study.collect import points, score
from medfm_cli.commands.pretrain.study.factors import FACTORS, Factors
from medfm_cli.commands.pretrain.study.fits import Correlation, Fit, correlate, fit_line

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.study.cells import Cell
    from medfm_cli.commands.pretrain.study.collect import Outcome, Score
    from medfm_cli.commands.pretrain.study.fits import Point
    from medfm_cli.commands.pretrain.study.options import Study, Watts

Axis = Literal["parameters", "samples"]
AXES: dict[Axis, str] = {
    "parameters": "encoder parameters (millions)",
    "samples": "training samples",
}


@dataclass(frozen=True, eq=False)
class Line:
    """One task and objective along one axis, everything else at `held`.

    Attributes:
        held: the fraction of the data, or the model, that the line is for.
        points: the sizes with their scores.
        fit: the line through them; None where fewer than two sizes have a score.
    """

    task: str
    objective: str
    axis: Axis
    held: str
    points: list[Point]
    fit: Fit | None


@dataclass(frozen=True, eq=False)
class Analysis:
    """All lines, and the correlations of their slopes with the factors of the tasks."""

    scores: dict[str, dict[Cell, Score]]
    lines: list[Line]
    correlations: dict[tuple[str, Axis, str], Correlation]


@dataclass(frozen=True)
class Cost:
    """What a cell cost; energy is an estimate from assumed watts."""

    seconds: float
    cpu_hours: float
    gpu_hours: float
    watt_hours: float


def analyse(
    outcomes: Sequence[Outcome], study: Study, tasks: Mapping[str, Factors], *, seed: int
) -> Analysis:
    """Fit every line that the grid allows.

    Along parameters for each fraction, along samples for each model; an axis with one value has no
    lines. Slopes are correlated with factors on the largest fraction and the last model.
    """
    scores = {task: score(outcomes, task, study.metric, draws=study.draws) for task in tasks}
    objectives = list(dict.fromkeys(outcome.cell.objective for outcome in outcomes))
    lines = [
        line
        for task in tasks
        for objective in objectives
        for line in _lines(task, objective, scores[task], outcomes, study, seed)
    ]
    return Analysis(scores, lines, _correlations(lines, study, tasks, objectives))


def cost(numbers: Mapping[str, Any], watts: Watts) -> Cost:
    """The cost of a cell: wall clock, processor and GPU time, and energy by assumed watts."""
    seconds, cpu = float(numbers["training_seconds"]), float(numbers["cpu_seconds"])
    gpu = seconds if numbers["device"] == "cuda" else 0.0
    energy = (cpu * watts.core + gpu * watts.gpu) / 3600
    return Cost(seconds, cpu / 3600, gpu / 3600, energy)


def _lines(
    task: str,
    objective: str,
    scores: Mapping[Cell, Score],
    outcomes: Sequence[Outcome],
    study: Study,
    seed: int,
) -> list[Line]:
    selected = [outcome for outcome in outcomes if outcome.cell.objective == objective]
    candidates = []
    if len(study.models) > 1:
        size = {each.cell: each.parameters / 1e6 for each in selected}
        for fraction in study.fractions:
            held = {cell: scores[cell] for cell in size if cell.fraction == fraction}
            candidates.append((f"{fraction:g} of the data", "parameters", points(held, size)))
    if len(study.fractions) > 1:
        size = {each.cell: float(each.samples) for each in selected}
        for model in study.models:
            held = {cell: scores[cell] for cell in size if cell.model == model}
            candidates.append((model, "samples", points(held, size)))
    return [
        Line(task, objective, axis, held, line_points, fit_line(line_points, seed=seed))  # type: ignore[arg-type]
        for held, axis, line_points in candidates
    ]


def _correlations(
    lines: Sequence[Line], study: Study, tasks: Mapping[str, Factors], objectives: Sequence[str]
) -> dict[tuple[str, Axis, str], Correlation]:
    widest: dict[Axis, str] = {
        "parameters": f"{max(study.fractions):g} of the data",
        "samples": study.models[-1],
    }
    correlations = {}
    for objective in objectives:
        for axis, held in widest.items():
            slopes = {
                line.task: line.fit.slope if line.fit else None
                for line in lines
                if (line.objective, line.axis, line.held) == (objective, axis, held)
            }
            if not slopes:
                continue
            for factor in FACTORS:
                values = [asdict(tasks[task])[factor] for task in slopes]
                correlations[objective, axis, factor] = correlate(values, list(slopes.values()))
    return correlations
