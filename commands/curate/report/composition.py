"""What the dataset is made of: long tails, ages, sizes, and what foretells how hard a task is."""

from __future__ import annotations

from typing import Any

from medfm_cli.commands.curate.describing.step import Description
from medfm_cli.commands.curate.report.drawings.long_tails import tails
from medfm_cli.runs import Figure, Run, Table, Text
from medfm_cli.runs.blocks import Block, Cell
from medfm_cli.runs.figures import save

NAMES = {
    "source": "Source", "kind": "Kind", "modality": "Modality", "anatomy": "Anatomy",
    "site": "Site", "label": "Label", "sex": "Sex", "client": "Client",
}  # fmt: skip
KIND_NAMES = {
    "image": "images", "volume": "volumes", "video": "videos", "signal": "signals",
    "audio": "recordings", "series": "series", "table": "rows", "text": "texts",
}  # fmt: skip


def composition_blocks(told: Description, run: Run) -> list[Block]:
    """All of it, as `description.json` holds it."""
    return [*_tails(told, run), *_sizes(told), *_tasks(told)]


def _tails(told: Description, run: Run) -> list[Block]:
    counts = {
        NAMES[name]: {value: count["samples"] for value, count in values.items()}
        for name, values in told["counts"].items()
        if len(values) > 1
    }
    if told["ages"].get("known"):
        decades = told["ages"]["decades"]
        ages = {value: count["samples"] for value, count in decades.items() if count["samples"]}
        if missing := told["samples"] - told["ages"]["known"]:
            ages["UNKNOWN"] = missing
        counts["Age in years"] = ages
    blocks: list[Block] = []
    if counts:
        save(tails(counts), run.path("figures", "tails.svg"))
        caption = (
            "Samples of every value, on a logarithmic axis: a bar half as long is not half as many."
        )
        listed = ", ".join(counts)
        blocks.append(Figure("figures/tails.svg", caption, f"Bars of {listed}", wide=True))
    rows: list[list[Cell]] = []
    for name, tail in told["tails"].items():
        if tail["values"] > 1:
            share = f"{tail['largest_share']:.1%}"
            rows.append([NAMES[name], tail["values"], share, tail["values_for_80_percent"]])
    if rows:
        columns = ["Of", "Values", "Share of the largest", "Values with 80 % of the samples"]
        blocks.append(Table(columns, rows, "How long the tails are."))
    if unknown := _unknown(told):
        blocks.append(Text(unknown))
    return blocks


def _unknown(told: Description) -> str:
    """What is not known of the samples, in one sentence."""
    parts = []
    for name in ("modality", "anatomy", "site", "sex"):
        missing = told["counts"][name].get("UNKNOWN", {}).get("samples", 0)
        if missing:
            parts.append(f"{NAMES[name].lower()} of {missing / told['samples']:.0%}")
    missing = told["samples"] - told["ages"].get("known", 0)
    if missing:
        parts.append(f"age of {missing / told['samples']:.0%}")
    return f"UNKNOWN, as a share of all samples: {', '.join(parts)}." if parts else ""


def _sizes(told: Description) -> list[Block]:
    rows: list[list[Cell]] = []
    for kind, sizes in told["sizes"].items():
        for measure, values in sizes["quantiles"].items():
            rows.append([KIND_NAMES.get(kind, kind), measure, *map(_number, values)])
    if not rows:
        return []
    columns = ["Of", "Measure", "Smallest", "25 %", "Median", "75 %", "Largest"]
    return [Table(columns, rows, "Sizes, lengths and rates, as they were read.")]


def _tasks(told: Description) -> list[Block]:
    blocks: list[Block] = []
    ratios = told.get("compressibility", {})
    if ratios:
        rows: list[list[Cell]] = [
            [
                KIND_NAMES.get(kind, kind),
                ratio["median_gzip_ratio"],
                f"{ratio['quartiles'][0]:.2f} to {ratio['quartiles'][1]:.2f}",
                ratio["measured"],
            ]
            for kind, ratio in ratios.items()
        ]
        caption = (
            "Compressibility: raw 8-bit bytes over their bytes after gzip. 1 is noise; the higher, "
            "the more a sample repeats itself."
        )
        columns = ["Of", "Median ratio", "Middle half", "Measured"]
        blocks.append(Table(columns, rows, caption))
    if tasks := told.get("tasks"):
        caption = (
            "Tasks: the labels of one kind of sample of one source. The Davies–Bouldin index is of "
            "simple features without any model: 0 is best, above about 1 classes overlap. The "
            "entropy is 100 % where all classes are equally frequent."
        )
        columns = [
            "Source", "Of", "Classes", "Labelled", "Entropy", "Largest : smallest",
            "Davies–Bouldin", "Measured",
        ]  # fmt: skip
        blocks.append(Table(columns, [_task(task) for task in tasks], caption))
    return blocks


def _task(task: dict[str, Any]) -> list[Cell]:
    index = task["davies_bouldin"]
    return [
        task["source"] or "the source",
        KIND_NAMES.get(task["kind"], task["kind"]),
        task["classes"],
        task["labelled"],
        f"{task['entropy_bits']:.2f} bits ({task['entropy_share']:.0%})",
        f"{task['imbalance']:.3g} : 1",
        index["value"],
        index["measured"],
    ]


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
