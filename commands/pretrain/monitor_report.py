"""What the looks during a training saw, for the result and the report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from medfm_cli.commands.pretrain.alarms import ENTROPY
from medfm_cli.commands.pretrain.feature_evaluation import AFTER, BEFORE, METRICS, WAYS
from medfm_cli.commands.pretrain.monitor import looks
from medfm_cli.metrics import SCORERS
from medfm_cli.runs import Callout, Figure, Run, Section, Table, Text
from medfm_cli.runs.figures import line_chart, save
from medfm_cli.scoring.tables import difference_table, score_table

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.feature_evaluation import Verdict
    from medfm_cli.runs.blocks import Block


def watch_metrics(run: Run, verdict: Verdict | None) -> dict[str, Any]:
    """The alarms of every look, the last look, and the probes before and after."""
    seen = looks(run)
    alarms = [{"step": step, "alarm": text} for step, look in seen for text in look["alarms"]]
    last = {name: value for name, value in seen[-1][1].items() if name != "alarms"} if seen else {}
    probes = verdict.metrics() if verdict else {}
    return {"alarms": alarms, "looks": len(seen), "last_look": last, **probes}


def watch_section(run: Run, verdict: Verdict | None, noun: str) -> list[Section]:
    """The chapter on alarms and probes; none when nothing was looked at; `noun`: of the samples."""
    blocks = [*_probes(verdict, noun), *_alarms(run), *_curves(run)]
    return [Section("Watched during the training", blocks)] if blocks else []


def tasks_section(verdict: Verdict | None, noun: str) -> list[Section]:
    """The chapter on the tasks that the recipe names."""
    if verdict is None:
        return []
    intro = (
        "A linear probe on frozen features, by the protocol of BioVFM-21M: fitted on the training "
        "split of each task, the epoch chosen on its validation split, scored on its test split."
    )
    return [Section("Scored on tasks", [Text(intro), *_compared(verdict, {}, noun)])]


def _probes(verdict: Verdict | None, noun: str) -> list[Block]:
    if verdict is None:
        return []
    return _compared(verdict, WAYS, noun)


def _compared(verdict: Verdict, names: Mapping[str, str], noun: str) -> list[Block]:
    """A table of scores for each way or task, and one of all differences."""
    blocks: list[Block] = []
    for way, compared in verdict.judged.items():
        scores = {
            shown: {metric: compared.estimate(name, metric) for metric in METRICS}
            for name, shown in ((BEFORE, verdict.start), (AFTER, AFTER))
        }
        caption = f"{names.get(way, way).capitalize()}: scores on the split {verdict.part}."
        scored = score_table(scores, METRICS, first="Encoder", caption=caption, strong=[1])
        called = [noun.capitalize() if name == "Images" else name for name in scored.columns]
        blocks.append(replace(scored, columns=called))
    pairs = [(way, metric) for way in verdict.judged for metric in METRICS]
    table = difference_table([verdict.difference(way, metric) for way, metric in pairs])
    rows = [
        [names.get(way, way), *row[2:]] for (way, _), row in zip(pairs, table.rows, strict=True)
    ]
    caption = (
        f"Pretrained less {verdict.start} of the same network, paired over the same {noun}. "
        "A gain is a difference whose interval lies above zero."
    )
    return [*blocks, Table(["Of", *table.columns[2:]], rows, caption)]


def _alarms(run: Run) -> list[Block]:
    seen = looks(run)
    found = [(step, text) for step, look in seen for text in look["alarms"]]
    if found:
        first, text = found[0]
        said = f"{len({step for step, _ in found})} of {len(seen)} looks gave an alarm; the first, "
        return [Callout("warn", f"{said}at step {first}: {text}.")]
    if not seen:
        return []
    return [Text(f"None of {len(seen)} looks during the training gave an alarm of collapse.")]


def _curves(run: Run) -> list[Block]:
    seen = looks(run)
    if len(seen) < 2:
        return []
    charts = [
        ("rank", {"effective rank": "features_effective_rank"}, "Effective rank"),
        ("probes", {WAYS[way]: f"{way}_auc" for way in WAYS}, SCORERS["auc"].label),
        ("entropy", {"teacher": ENTROPY}, "Entropy of the teacher (nats)"),
    ]
    blocks: list[Block] = []
    for name, lines, title in charts:
        series = {label: _line(seen, key) for label, key in lines.items()}
        series = {label: line for label, line in series.items() if len(line[0]) > 1}
        if series:
            path = run.path("figures", f"watch-{name}.svg")
            save(line_chart(series, x="Step", y=title, height=2.6), path)
            alt = f"{title} at each look over the steps."
            blocks.append(Figure(f"figures/{path.name}", alt, alt))
    return blocks


def _line(seen: list[tuple[int, dict[str, Any]]], key: str) -> tuple[list[int], list[float]]:
    points = [(step, look[key]) for step, look in seen if look.get(key) is not None]
    points = [(step, value) for step, value in points if math.isfinite(value)]
    return [step for step, _ in points], [value for _, value in points]
