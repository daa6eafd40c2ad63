"""Metrics, tables and curves of the evaluations during a training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from medfm_cli.commands.pretrain.alarms import ENTROPY
from medfm_cli.commands.pretrain.feature_evaluation import AFTER, BEFORE, METHODS, METRICS
from medfm_cli.commands.pretrain.monitor import evaluations
from medfm_cli.metrics import SCORERS
from medfm_cli.runs import Callout, Figure, Run, Section, Table, Text
from medfm_cli.runs.figures import line_chart, save
from medfm_cli.scoring.tables import difference_table, score_table

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.feature_evaluation import ProbeComparison
    from medfm_cli.runs.blocks import Block


def monitor_metrics(run: Run, comparison: ProbeComparison | None) -> dict[str, Any]:
    """The alarms of every evaluation, the last evaluation, and the probes before and after."""
    records = evaluations(run)
    alarms = [
        {"step": step, "alarm": text} for step, values in records for text in values["alarms"]
    ]
    last = (
        {name: value for name, value in records[-1][1].items() if name != "alarms"}
        if records
        else {}
    )
    probes = comparison.metrics() if comparison else {}
    return {"alarms": alarms, "evaluations": len(records), "last_evaluation": last, **probes}


def monitor_section(run: Run, comparison: ProbeComparison | None, noun: str) -> list[Section]:
    """The section on alarms and probes; none without evaluations; `noun`: of the samples."""
    blocks = [*_probes(comparison, noun), *_alarms(run), *_curves(run)]
    return [Section("Monitoring during training", blocks)] if blocks else []


def tasks_section(comparison: ProbeComparison | None, noun: str) -> list[Section]:
    """The section on the probe tasks of the recipe."""
    if comparison is None:
        return []
    intro = (
        "A linear probe on frozen features, by the protocol of BioVFM-21M: fitted on the training "
        "split of each task, the epoch chosen on its validation split, scored on its test split."
    )
    return [Section("Probe tasks", [Text(intro), *_compared(comparison, {}, noun)])]


def _probes(comparison: ProbeComparison | None, noun: str) -> list[Block]:
    if comparison is None:
        return []
    return _compared(comparison, METHODS, noun)


def _compared(comparison: ProbeComparison, names: Mapping[str, str], noun: str) -> list[Block]:
    """A table of scores for each method or task, and one of all differences."""
    blocks: list[Block] = []
    for method, compared in comparison.comparisons.items():
        scores = {
            label: {metric: compared.estimate(name, metric) for metric in METRICS}
            for name, label in ((BEFORE, comparison.start), (AFTER, AFTER))
        }
        caption = (
            f"{names.get(method, method).capitalize()}: scores on the split {comparison.part}."
        )
        scored = score_table(scores, METRICS, first="Encoder", caption=caption, strong=[1])
        columns = [noun.capitalize() if name == "Images" else name for name in scored.columns]
        blocks.append(replace(scored, columns=columns))
    pairs = [(method, metric) for method in comparison.comparisons for metric in METRICS]
    table = difference_table([comparison.difference(method, metric) for method, metric in pairs])
    rows = [
        [names.get(method, method), *row[2:]]
        for (method, _), row in zip(pairs, table.rows, strict=True)
    ]
    caption = (
        f"Difference of pretrained and {comparison.start} of the same network, paired by {noun}. "
        "A gain is a difference whose interval lies above zero."
    )
    return [*blocks, Table(["Method", *table.columns[2:]], rows, caption)]


def _alarms(run: Run) -> list[Block]:
    records = evaluations(run)
    raised = [(step, text) for step, values in records for text in values["alarms"]]
    if raised:
        first, text = raised[0]
        count = len({step for step, _ in raised})
        sentence = f"{count} of {len(records)} evaluations raised an alarm; the first at step"
        return [Callout("warn", f"{sentence} {first}: {text}.")]
    if not records:
        return []
    return [Text(f"None of {len(records)} evaluations during training raised a collapse alarm.")]


def _curves(run: Run) -> list[Block]:
    records = evaluations(run)
    if len(records) < 2:
        return []
    charts = [
        ("rank", {"effective rank": "features_effective_rank"}, "Effective rank"),
        ("probes", {METHODS[method]: f"{method}_auc" for method in METHODS}, SCORERS["auc"].label),
        ("entropy", {"teacher": ENTROPY}, "Entropy of the teacher (nats)"),
    ]
    blocks: list[Block] = []
    for name, lines, title in charts:
        series = {label: _line(records, key) for label, key in lines.items()}
        series = {label: line for label, line in series.items() if len(line[0]) > 1}
        if series:
            path = run.path("figures", f"monitor-{name}.svg")
            save(line_chart(series, x="Step", y=title, height=2.6), path)
            alt = f"{title} at each evaluation."
            blocks.append(Figure(f"figures/{path.name}", alt, alt))
    return blocks


def _line(records: list[tuple[int, dict[str, Any]]], key: str) -> tuple[list[int], list[float]]:
    points = [(step, values[key]) for step, values in records if values.get(key) is not None]
    points = [(step, value) for step, value in points if math.isfinite(value)]
    return [step for step, _ in points], [value for _, value in points]
