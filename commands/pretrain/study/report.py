"""The tables, figures and text of a scaling study."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from medfm_cli.commands.pretrain.study.analysis import AXES, Analysis, cost
from medfm_cli.commands.pretrain.study.drawing import curves
from medfm_cli.commands.pretrain.study.factors import FACTORS, Factors
from medfm_cli.metrics import SCORERS
from medfm_cli.runs import Callout, Figure, Result, Run, Section, Table, Text
from medfm_cli.runs.atomic import write_text
from medfm_cli.runs.figures import save

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.study.analysis import Line
    from medfm_cli.commands.pretrain.study.cells import Cell
    from medfm_cli.commands.pretrain.study.collect import Outcome
    from medfm_cli.commands.pretrain.study.fits import Fit
    from medfm_cli.commands.pretrain.study.options import Study
    from medfm_cli.runs.blocks import Block
    from medfm_cli.runs.blocks import Cell as TableCell

EXPLORATORY = "exploratory"


@dataclass(frozen=True, eq=False)
class Findings:
    """The results of a study."""

    study: Study
    cells: list[Cell]
    outcomes: list[Outcome]
    failed: Mapping[Cell, str]
    factors: Mapping[str, Factors]
    analysis: Analysis


def study_result(findings: Findings, run: Run) -> Result:
    """Write cells.csv and fits.csv and make the result."""
    cells, fits = _cells(findings), _fits(findings.analysis.lines)
    _write_csv(cells, run, "cells.csv")
    _write_csv(fits, run, "fits.csv")
    done, total, count = len(findings.outcomes), len(findings.cells), len(findings.factors)
    return Result(
        metrics=_metrics(findings),
        artefacts={"cells": "cells.csv", "fits": "fits.csv"},
        sections=[
            Section("The study", [_opening(findings), *_missing(findings), cells]),
            Section("Effect of scale", [*_caution(findings), fits, *_figures(findings, run)]),
            Section("Factors of the slopes", _explained(findings)),
        ],
        summary=fits if fits.rows else cells,
        headline=f"{done} of {total} cells of the study are done, "
        f"{len(fits.rows)} lines fitted on {count} task{'s' if count > 1 else ''}",
        lineage={
            "cells": {each.cell.name: each.numbers.get("weights") for each in findings.outcomes}
        },
    )


def _metrics(findings: Findings) -> dict[str, Any]:
    lines = [
        {
            "task": line.task,
            "objective": line.objective,
            "axis": line.axis,
            "held": line.held,
            "fit": asdict(line.fit) | {EXPLORATORY: line.fit.exploratory} if line.fit else None,
        }
        for line in findings.analysis.lines
    ]
    correlations = [
        {"objective": objective, "axis": axis, "factor": factor, **asdict(each)}
        | {EXPLORATORY: each.exploratory}
        for (objective, axis, factor), each in findings.analysis.correlations.items()
    ]
    return {
        "cells": len(findings.cells),
        "cells_done": len(findings.outcomes),
        "missing": {cell.name: why for cell, why in findings.failed.items()},
        "metric": findings.study.metric,
        "lines": lines,
        "correlations": correlations,
        "factors": {task: asdict(each) for task, each in findings.factors.items()},
    }


def _opening(findings: Findings) -> Text:
    study = findings.study
    energy = (
        f"Energy is an estimate: {study.watts.core:g} W for a busy core and "
        f"{study.watts.gpu:g} W for a busy GPU are assumed, not measured."
    )
    return Text(
        f"{len(findings.cells)} pretrainings: models {_listed(study.models)}; fractions of the "
        f"data {_listed(study.fractions)}; seeds {_listed(study.seeds)}; objectives "
        f"{_listed({cell.objective: None for cell in findings.cells})}. Every encoder was frozen "
        "and scored on each task by a linear probe, as in BioVFM-21M. Model size is the number of "
        f"parameters of the encoder alone, without parts discarded after pretraining. {energy}"
    )


def _listed(values: Iterable[object]) -> str:
    return ", ".join(str(value) for value in values)


def _missing(findings: Findings) -> list[Block]:
    if not findings.failed:
        return []
    names = ", ".join(cell.name for cell in findings.failed)
    text = f"{len(findings.failed)} cells failed and are missing (not imputed): {names}."
    return [Callout("warn", text)]


def _cells(findings: Findings) -> Table:
    """One row a cell: settings, scores and cost; a missing cell has dashes."""
    tasks, done = list(findings.factors), {each.cell: each for each in findings.outcomes}
    names = ["Objective", "Model", "Data", "Seed", "Parameters (M)", "Samples"]
    label = SCORERS[findings.study.metric].label
    rows: list[list[TableCell]] = []
    for cell in findings.cells:
        outcome = done.get(cell)
        head: list[TableCell] = [cell.objective, cell.model, f"{cell.fraction:g}", str(cell.seed)]
        if outcome is None:
            rows.append([*head, *[None] * (2 + len(tasks) + 4)])
            continue
        spent = cost(outcome.numbers, findings.study.watts)
        scores = [findings.analysis.scores[task][cell].value for task in tasks]
        costs = [spent.seconds, spent.cpu_hours, spent.gpu_hours, spent.watt_hours]
        rows.append([*head, outcome.parameters / 1e6, outcome.samples, *scores, *costs])
    columns = [*names, *(f"{label}: {task}" for task in tasks)]
    columns += ["Training (s)", "CPU hours", "GPU hours", "Energy (Wh, estimate)"]
    return Table(columns, rows, "Every cell of the grid.")


def _fits(lines: Sequence[Line]) -> Table:
    rows: list[list[TableCell]] = [
        [line.task, line.objective, AXES[line.axis], line.held, *_fitted(line.fit)]
        for line in lines
        if line.fit is not None
    ]
    columns = ["Task", "Objective", "Along", "At", "Slope [95 % interval]", "Sizes", "Seeds"]
    caption = (
        "Slopes of log(100 × score) on log(size), by least squares. The interval is over seeds and "
        "test subjects; with one seed it excludes the variation of seeds. Largest residual: "
        "the largest distance of a size from the line, in per cent of its score."
    )
    return Table([*columns, "Largest residual (%)", "Standing"], rows, caption)


def _fitted(fit: Fit) -> list[TableCell]:
    slope = f"{fit.slope:+.4f}"
    if fit.low is not None and fit.high is not None:
        slope += f" [{fit.low:+.4f}, {fit.high:+.4f}]"
    # A line through two points has no residuals worth a number.
    worst = 100 * max(map(abs, fit.residuals)) if len(fit.sizes) > 2 else None
    standing = EXPLORATORY if fit.exploratory else "enough sizes"
    return [slope, len(fit.sizes), fit.seeds, worst, standing]


def _caution(findings: Findings) -> list[Block]:
    few = [line for line in findings.analysis.lines if line.fit is None or line.fit.exploratory]
    if not few:
        return []
    text = (
        f"{len(few)} of {len(findings.analysis.lines)} lines have fewer than five sizes. They are "
        "exploratory: a line through two points is not evidence of a scaling law."
    )
    return [Callout("note", text)]


def _figures(findings: Findings, run: Run) -> list[Block]:
    blocks: list[Block] = []
    label = SCORERS[findings.study.metric].label
    for axis, title in AXES.items():
        for task in findings.factors:
            lines = [
                line
                for line in findings.analysis.lines
                if (line.axis, line.task) == (axis, task)
                and any(len(p.values) for p in line.points)
            ]
            if not lines:
                continue
            path = run.path("figures", f"{axis}-{task}.svg")
            save(curves(lines, x=title, y=f"100 × {label}"), path)
            caption = f"{task}: {label} over {title}. Points are seeds, both axes are logarithmic."
            blocks.append(Figure(f"figures/{path.name}", caption, caption))
    return blocks


def _explained(findings: Findings) -> list[Block]:
    factors: list[list[TableCell]] = [
        [task, *(asdict(each)[name] for name in FACTORS)] for task, each in findings.factors.items()
    ]
    rows: list[list[TableCell]] = [
        [objective, AXES[axis], FACTORS[factor], each.r, _range(each.low, each.high), each.n]
        for (objective, axis, factor), each in findings.analysis.correlations.items()
    ]
    caption = (
        "Pearson's r of a factor with the slopes, over tasks, and its 95 % interval (Fisher's z). "
        f"With fewer than 20 tasks this is {EXPLORATORY}: BioVFM-21M's own 12 tasks leave an "
        "interval of about −0.1 to 0.8 around r = 0.5."
    )
    measured = Table(
        ["Task", *FACTORS.values()], factors, "Factors of the tasks, measured by curation."
    )
    if all(each.r is None for each in findings.analysis.correlations.values()):
        few = "Correlating factors with slopes needs at least three tasks."
        return [measured, Text(few)]
    return [
        measured,
        Table(["Objective", "Along", "Factor", "r", "95 % interval", "Tasks"], rows, caption),
    ]


def _range(low: float | None, high: float | None) -> str | None:
    return None if low is None or high is None else f"{low:+.2f} … {high:+.2f}"


def _write_csv(table: Table, run: Run, name: str) -> None:
    """Write a table in full precision; what is missing is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(["" if cell is None else cell for cell in row] for row in table.rows)
    write_text(run.path(name), text.getvalue())
