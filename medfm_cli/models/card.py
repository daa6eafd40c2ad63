"""The model card, written from run records only; unknown values are shown as EMPTY.

Needs no torch: model directories and exported bundles have the same text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from medfm_cli.models.card_facts import DataFacts, MetricFacts, TrainingFacts
from medfm_cli.runs.cells import safe_markdown

if TYPE_CHECKING:
    from medfm_cli.models.config import ModelConfig

EMPTY = "EMPTY"
SHORT = 3
"""Names of metrics up to this length are abbreviations."""
MANY = 200
"""Subjects from which on a third digit is shown."""


def render_model_card(config: ModelConfig) -> str:
    """Write the card of a model directory as Markdown."""
    facts = config.card
    parts = [
        f"# Model card: {config.kind} {config.backbone.name}",
        _section("Intended use", [facts.intended_use or EMPTY]),
        _section("Model", _model_lines(config)),
        _section("Data", _data_lines(facts.data)),
        _section("Training", _training_lines(facts.training)),
        _section("Metrics", _metric_lines(facts.metrics)),
        _section("Preprocessing", _preprocessing_lines(config)),
        _section("Operating points", _operating_lines(config)),
        _section("Limitations", _bullets(facts.limitations)),
    ]
    return safe_markdown("\n\n".join(parts)) + "\n"


def interval(metric: MetricFacts) -> str:
    """`0.91 (0.85 to 0.96)`, EMPTY for an unknown interval; a third digit for many subjects."""
    digits = 3 if (metric.subjects or 0) >= MANY else 2
    value = f"{metric.value:.{digits}f}"
    if metric.low is None or metric.high is None:
        return f"{value} ({EMPTY})"
    return f"{value} ({metric.low:.{digits}f} to {metric.high:.{digits}f})"


def _model_lines(config: ModelConfig) -> list[str]:
    head = config.head
    return _facts(
        {
            "architecture": config.backbone.name,
            "input": config.backbone.input_text,
            "patch size": config.backbone.patch_text or None,
            "head": f"{head.kind}, {head.classes} outputs" if head else "none",
            "classes": ", ".join(config.label_schema.classes) if head else "none",
            "parameters": f"{config.parameters:,}" if config.parameters else None,
            "weights sha256": config.weights_sha256,
            "written by": f"medfm {config.medfm}" if config.medfm else None,
        }
    )


def _data_lines(data: Sequence[DataFacts]) -> list[str]:
    """Each dataset once, with all its uses."""
    lines: list[str] = []
    versions = dict.fromkeys(item.version or str(number) for number, item in enumerate(data))
    for version in versions:
        same = [d for number, d in enumerate(data) if (d.version or str(number)) == version]
        uses = ", ".join(dict.fromkeys(item.use or "data" for item in same))
        lines += [f"### {uses}: {same[0].name or EMPTY}", "", *_one_dataset(same[0]), ""]
    return lines[:-1] or [EMPTY]


def _one_dataset(item: DataFacts) -> list[str]:
    return _facts(
        {
            "version": item.version,
            "subjects": item.subjects,
            "images": item.images,
            "samples": item.samples,
            "samples by split": _counts(item.splits),
            "samples by modality": _counts(item.modalities),
            "samples by label": _counts(item.labels),
            "licences": ", ".join(item.licences),
            "consent": item.consent,
        }
    )


def _training_lines(training: Sequence[TrainingFacts]) -> list[str]:
    lines: list[str] = []
    for step in training:
        title = f"### {step.verb} {step.recipe}".rstrip()
        lines += [title, "", *_facts({"recipe hash": step.recipe_hash, **step.facts}), ""]
    return lines[:-1] or [EMPTY]


def _metric_lines(metrics: Sequence[MetricFacts]) -> list[str]:
    """One row for each model under each protocol, one column for each metric."""
    if not metrics:
        return [EMPTY]
    names = list(dict.fromkeys(metric.name for metric in metrics))
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for metric in metrics:
        rows.setdefault(_row_key(metric), {})[metric.name] = interval(metric)
    table = [["model", "protocol", "n", "subjects", *(_title(name) for name in names)]]
    table += [[*key, *(cells.get(name, "") for name in names)] for key, cells in rows.items()]
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in table]
    return [
        "In brackets: 95 % intervals by bootstrap over subjects.",
        "",
        lines[0],
        "|---" * len(table[0]) + "|",
        *lines[1:],
    ]


def _row_key(metric: MetricFacts) -> tuple[str, ...]:
    """Model, protocol, n and subjects."""
    return (
        metric.of or EMPTY,
        metric.protocol or EMPTY,
        _shown(metric.n),
        _shown(metric.subjects),
    )


def _title(name: str) -> str:
    """`auc` is AUC, `balanced_accuracy` balanced accuracy."""
    return name.upper() if len(name) <= SHORT else name.replace("_", " ")


def _preprocessing_lines(config: ModelConfig) -> list[str]:
    return _facts(config.preprocessing.model_dump())


def _operating_lines(config: ModelConfig) -> list[str]:
    lines = [
        f"{point.label}: probability ≥ {point.threshold:.3f} ({point.rule}, "
        f"{_shown(point.value)} on {_shown(point.n)} images)"
        for point in config.operating_points
    ]
    return _bullets(lines)


def _section(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f"## {title}", "", *lines])


def _facts(values: Mapping[str, object]) -> list[str]:
    return [f"- {name}: {_shown(value)}" for name, value in values.items()]


def _bullets(lines: Iterable[str]) -> list[str]:
    return [f"- {line}" for line in lines] or [EMPTY]


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name or 'not stated'} {count:,}" for name, count in counts.items())


def _shown(value: object) -> str:
    """A value as text; EMPTY if it was not recorded."""
    if value is None or value in ("", [], {}):
        return EMPTY
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value)
    return " ".join(str(value).split("\n"))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
