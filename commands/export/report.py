"""The report of an export: parity, latency, lineage and card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.runs import Callout, Document, Facts, Section, Table, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medfm_cli.commands.export.latency import Latency
    from medfm_cli.commands.export.parity import Parity
    from medfm_cli.commands.export.sources import Sources
    from medfm_cli.models.config import ModelConfig
    from medfm_cli.runs.blocks import Block

ONNX, TORCH = "ONNX Runtime", "PyTorch"


def headline(parity: Parity, latency: Sequence[Latency], *, size: int) -> str:
    """The outcome in one sentence."""
    first = latency[0]
    busy = " (on a busy machine)" if first.disturbed else ""
    return (
        f"model.onnx ({size / 1e6:.1f} MB) agrees with PyTorch on {parity.images} images "
        f"(largest difference {parity.difference:.1e}); a batch of {first.batch} takes "
        f"{_ms(first.onnxruntime)} with {ONNX}, {_ms(first.pytorch)} with {TORCH}{busy}."
    )


def summary(parity: Parity, latency: Sequence[Latency]) -> Table:
    """The table at the end of the command."""
    rows: list[list[str]] = [["Images compared", str(parity.images)]]
    rows.append([f"Largest difference of a {parity.output[:-1]}", f"{parity.difference:.1e}"])
    if parity.agreement is not None:
        rows.append(["Same prediction", f"{parity.agreement:.2%}"])
    rows += [
        [f"Batch {item.batch}: {ONNX} / {TORCH}", f"{_ms(item.onnxruntime)} / {_ms(item.pytorch)}"]
        for item in latency
    ]
    return Table(["Export", "Value"], rows)


def sections(
    config: ModelConfig,
    parity: Parity,
    latency: Sequence[Latency],
    sources: Sources,
    *,
    card: str,
    size: int,
) -> list[Section]:
    """The report: parity, latency, lineage, and the card of the bundle."""
    return [
        Section("Exported graph", _graph(config, parity, size=size)),
        Section("Latency", [_latency_table(latency), *_disturbance(latency)]),
        Section("Lineage", _lineage(config, sources)),
        Section("Model card", [Document(card)]),
    ]


def _graph(config: ModelConfig, parity: Parity, *, size: int) -> list[Block]:
    facts: dict[str, str | int] = {
        "Size": f"{size / 1e6:.2f} MB",
        "Parameters": config.parameters,
        "Images compared": parity.images,
        f"Largest difference of a {parity.output[:-1]}": f"{parity.difference:.1e}",
        "Tolerance": f"{parity.tolerance:.0e}",
    }
    if parity.agreement is not None:
        facts["Same prediction"] = f"{parity.agreement:.2%}"
    text = (
        f"{ONNX} and {TORCH} processed the same {parity.images} images of the dataset; all outputs "
        "were compared. Normalisation is part of the graph."
    )
    return [Text(text), Facts(facts), Callout("good", "All differences are within the tolerance.")]


def _latency_table(latency: Sequence[Latency]) -> Table:
    columns = ["Batch", f"{ONNX}, ms", f"{TORCH}, ms", "Ratio", "Images/s"]
    rows: list[list[float]] = [
        [
            item.batch,
            round(1e3 * item.onnxruntime, 3),
            round(1e3 * item.pytorch, 3),
            round(item.pytorch / item.onnxruntime, 2),
            round(item.batch / item.onnxruntime, 1),
        ]
        for item in latency
    ]
    first, most = latency[0], max(item.repeats for item in latency)
    caption = (
        f"Latency: median of up to {most} alternating runs on the CPU, {first.threads} threads. "
        f"Ratio: {TORCH} time over {ONNX} time. Images/s: {ONNX}."
    )
    return Table(columns, rows, caption, bars=columns[1:3])


def _disturbance(latency: Sequence[Latency]) -> list[Block]:
    """A warning if the machine was busy."""
    worst = max(item.disturbance for item in latency)
    if not any(item.disturbed for item in latency):
        return []
    text = (
        f"Other processes used the machine: the median run took up to {worst:.1f} times as long as "
        "the fastest one. Measure again on an idle machine before you compare latencies."
    )
    return [Callout("warn", text)]


def _lineage(config: ModelConfig, sources: Sources) -> list[Block]:
    steps = [
        [step.verb, step.recipe, step.run[:12], step.medfm, step.output[:12] or "-"]
        for step in config.lineage.steps
    ]
    origins: list[list[str | int]] = [
        [item.name, item.version[:12], item.source_count, item.source_digest[:12]]
        for item in config.lineage.datasets
    ]
    blocks: list[Block] = [
        Table(["Dataset", "Version", "Source files", "Digest of their sha256s"], origins),
        Table(["Run", "Recipe", "Hash", "medfm", "Output sha256"], steps),
        Text(f"sources.txt in the bundle lists the sha256 of {sources.count} source files."),
    ]
    return blocks + [
        Callout("warn", f"The list of source files is incomplete. {gap}") for gap in sources.gaps
    ]


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.2f} ms"
