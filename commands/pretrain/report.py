"""The metrics, figures and text of a pretraining's report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medfm_cli.commands.pretrain.inputs.describe import input_text
from medfm_cli.commands.pretrain.monitor_report import (
    monitor_metrics,
    monitor_section,
    tasks_section,
)
from medfm_cli.commands.pretrain.sampling import mixture_table
from medfm_cli.runs import Callout, Facts, Figure, Run, Section, Table, Text
from medfm_cli.runs.figures import line_chart, save
from medfm_cli.runs.run import read_jsonl
from medfm_cli.training.safety import overridden

if TYPE_CHECKING:
    from torch import nn

    from medfm_cli.commands.pretrain.trained import Trained
    from medfm_cli.runs.blocks import Block, Cell

_EXAMPLES = 6


def metrics(trained: Trained, run: Run) -> dict[str, Any]:
    """The metrics of result.json."""
    report, before, after = trained.report, trained.before, trained.after
    return {
        "steps": report.steps,
        "samples": len(trained.samples.rows),
        "subjects": trained.samples.subjects,
        "samples_seen": report.samples,
        "loss": _last_losses(run),
        "loss_plain": after.loss.to_json(),
        "loss_plain_before": before.loss.to_json(),
        "loss_plain_gain": after.gain(before).to_json(),
        "loss_plain_split": after.split,
        **after.spread.metrics("features"),
        **before.spread.metrics("features_before"),
        "augment_allowed": {each.operation: each.reason for each in trained.allowed},
        "collapsed": after.spread.collapsed,
        "mixture": {
            each.name: {"samples": each.samples, "share": round(each.draw_share, 6)}
            for each in trained.mixture
        },
        **monitor_metrics(run, trained.comparison),
        "tasks": trained.tasks.metrics() if trained.tasks else {},
        **{
            name: value
            for each in trained.objective_sections
            for name, value in each.metrics.items()
        },
        "parameters_encoder": count_parameters(trained.task.encoder),
        "parameters_total": count_parameters(trained.task),
        "images_per_second": round(report.samples_per_second, 1),
        "waiting_for_data": round(report.waiting, 4),
        "training_seconds": round(report.seconds, 1),
        "cpu_seconds": round(report.cpu_seconds, 1),
        "precision": report.precision,
        "device": report.device,
        **trained.initial.metrics(),
    }


def summary(trained: Trained) -> Table:
    """The table at the end of the command."""
    report, before, after = trained.report, trained.before, trained.after
    start = trained.initial.label
    loss = f"Loss on {after.split} (n={after.loss.n}, {after.loss.subjects} subjects)"
    name, images = trained.task.encoder.spec.name, len(trained.samples.rows)
    speed = round(report.samples_per_second)
    return Table(
        ["Encoder", "Samples", "Steps", "Samples/s", loss, "Effective rank"],
        [
            [start, None, 0, None, before.loss.text(), before.spread.effective_rank],
            [name, images, report.steps, speed, after.loss.text(), after.spread.effective_rank],
        ],
        strong=[1],
    )


def sections(trained: Trained, run: Run) -> list[Section]:
    """The sections of the report."""
    return [
        Section(
            "Pretraining",
            [
                _opening(trained),
                _facts(trained),
                *_allowed(trained),
                *_mixture(trained),
                *trained.initial.blocks(),
                *_curve(run, trained.samples.noun),
            ],
        ),
        Section("What the encoder learned", [*_figures(trained, run), *_spread(trained)]),
        *(Section(section.title, section.blocks) for section in trained.objective_sections),
        *monitor_section(run, trained.comparison, trained.samples.noun),
        *tasks_section(trained.tasks, trained.samples.noun),
    ]


def count_parameters(module: nn.Module) -> int:
    """Count the parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def _opening(trained: Trained) -> Text:
    spec, samples, recipe = trained.task.encoder.spec, trained.samples, trained.recipe
    return Text(
        f"The encoder {spec.name} was trained with {recipe.objective.name} on "
        f"{len(samples.rows)} {samples.noun} of {samples.subjects} subjects (split: "
        f"{recipe.split}) of the dataset {trained.dataset.card.name}.{_left_out(trained)}"
    )


def _left_out(trained: Trained) -> str:
    """State which samples and which labels were not used."""
    without = trained.samples.without_text
    excluded = (
        f" {without} further {trained.samples.noun} have no text and were left out."
        if without
        else ""
    )
    text = getattr(trained.recipe.objective, "text", None)
    if text is not None and text.template is not None:
        return f"{excluded} Samples without a text use their label as text."
    return f"{excluded} Labels were not used."


def _facts(trained: Trained) -> Facts:
    report, spec = trained.report, trained.task.encoder.spec
    encoder = count_parameters(trained.task.encoder)
    rest = count_parameters(trained.task) - encoder
    return Facts(
        {
            "Input": input_text(trained.task.preprocessing, spec),
            "Encoder parameters": encoder,
            "Other parameters": rest,
            "Steps": f"{report.steps:,} of {trained.options.batch} {trained.samples.noun}",
            f"{trained.samples.noun.capitalize()}/s": f"{report.samples_per_second:,.0f}",
            "Waiting for data": f"{report.waiting:.1%}",
            "Training time": f"{report.seconds:.0f} s on {report.device}, {report.precision}",
        }
    )


def _allowed(trained: Trained) -> list[Block]:
    """A warning for each overridden safety rule of the augmentation."""
    return [Callout("warn", overridden(trained.allowed))] if trained.allowed else []


def _mixture(trained: Trained) -> list[Block]:
    mixture = trained.mixture
    return [mixture_table(mixture, trained.recipe.sampling)] if mixture else []


def _curve(run: Run, noun: str) -> list[Block]:
    steps, losses = _history(run)
    if len(steps) < 2:
        return []
    path = run.path("figures", "loss.svg")
    smooth = max(1, len(losses) // 25)
    save(line_chart({"loss": (steps, losses)}, x="Step", y="Loss", smooth=smooth), path)
    caption = f"Loss on the augmented training {noun}" + (
        f"; the line is the mean over {smooth} points." if smooth > 1 else "."
    )
    return [Figure("figures/loss.svg", caption, "Curve of the training loss over the steps.")]


def _figures(trained: Trained, run: Run) -> list[Block]:
    batch, captions, random = trained.eval_samples.examples(trained.task, _EXAMPLES)
    figures = trained.task.figures(batch, captions, random, run)
    if not figures:
        return []
    split = trained.after.split
    seen = "not trained on" if split == "val" else "also trained on"
    note = (
        f"The {trained.samples.noun} are from the split {split} ({seen}): for each modality, "
        "then for each subject, the one with most detail."
    )
    return [*figures, Text(note)]


def _spread(trained: Trained) -> list[Block]:
    before, after = trained.before, trained.after
    rows: list[list[Cell]] = [
        [name, statistics.loss.text(), statistics.spread.effective_rank, statistics.spread.std]
        for name, statistics in ((trained.initial.label, before), ("pretrained", after))
    ]
    spread, loss, noun = after.spread, after.loss, trained.samples.noun
    table = Table(
        ["Encoder", "Loss [95 % interval]", f"Effective rank of {spread.dimensions}", "Spread"],
        rows,
        f"Loss and features on {loss.n} {noun} of {loss.subjects} subjects (split {after.split}). "
        f"The {noun} are not augmented where the objective allows it, and random views and masks "
        "are the same for both encoders; the loss changed by "
        f"{after.gain(before).text()}, paired.{_moving(trained)} Effective rank: how many "
        "directions the features use (Roy & Vetterli 2007). Spread: 0 if the features of all "
        f"{noun} are equal. None of these measures quality: finetune and eval measure whether the "
        "features serve a task.",
    )
    if spread.collapsed:
        warning = (
            "The features have collapsed: they hardly differ between samples. "
            "Lower the learning rate, train longer, or check the data."
        )
        return [table, Callout("warn", warning)]
    return [table]


def _moving(trained: Trained) -> str:
    """A caution for objectives whose targets come from a teacher."""
    if trained.task.highest_entropy is None:
        return ""
    return (
        " Its targets are those of the objective's own teacher, which changed too: the difference "
        "of the two losses does not measure progress."
    )


def _history(run: Run) -> tuple[list[int], list[float]]:
    """Read the loss of each step; steps repeated after an interruption count once."""
    records = {
        record["step"]: record["loss"]
        for record in read_jsonl(run.path("metrics.jsonl"))
        if record.get("loss") is not None
    }
    steps = sorted(records)
    return steps, [records[step] for step in steps]


def _last_losses(run: Run) -> float | None:
    """Average the training loss over the last twentieth of the run."""
    _, losses = _history(run)
    last = losses[-max(1, len(losses) // 20) :]
    return sum(last) / len(last) if last else None
