"""Distribution of the dataset: counts, ages, sizes, and how separable the classes are."""

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


def composition_blocks(description: Description, run: Run) -> list[Block]:
    """The tables and figures of `description.json`."""
    return [*_tails(description, run), *_sizes(description), *_tasks(description)]


def _tails(description: Description, run: Run) -> list[Block]:
    counts = {
        NAMES[name]: {value: count["samples"] for value, count in values.items()}
        for name, values in description["counts"].items()
        if len(values) > 1
    }
    if description["ages"].get("known"):
        decades = description["ages"]["decades"]
        ages = {value: count["samples"] for value, count in decades.items() if count["samples"]}
        if missing := description["samples"] - description["ages"]["known"]:
            ages["UNKNOWN"] = missing
        counts["Age in years"] = ages
    blocks: list[Block] = []
    if counts:
        save(tails(counts), run.path("figures", "tails.svg"))
        caption = "Samples by value, on a logarithmic axis: half the length is not half the number."
        listed = ", ".join(counts)
        blocks.append(Figure("figures/tails.svg", caption, f"Samples by {listed}", wide=True))
    rows: list[list[Cell]] = []
    for name, tail in description["tails"].items():
        if tail["values"] > 1:
            share = f"{tail['largest_share']:.1%}"
            rows.append([NAMES[name], tail["values"], share, tail["values_for_80_percent"]])
    if rows:
        columns = ["Attribute", "Values", "Share of the largest", "Values with 80 % of the samples"]
        blocks.append(Table(columns, rows, "Long tails: how unevenly samples are distributed."))
    if unknown := _unknown(description):
        blocks.append(Text(unknown))
    return blocks


def _unknown(description: Description) -> str:
    """The shares of unknown values, in one sentence."""
    parts = []
    for name in ("modality", "anatomy", "site", "sex"):
        missing = description["counts"][name].get("UNKNOWN", {}).get("samples", 0)
        if missing:
            parts.append(f"{NAMES[name].lower()} of {missing / description['samples']:.0%}")
    missing = description["samples"] - description["ages"].get("known", 0)
    if missing:
        parts.append(f"age of {missing / description['samples']:.0%}")
    return f"Unknown, as a share of all samples: {', '.join(parts)}." if parts else ""


def _sizes(description: Description) -> list[Block]:
    rows: list[list[Cell]] = []
    for kind, sizes in description["sizes"].items():
        for measure, values in sizes["quantiles"].items():
            rows.append([KIND_NAMES.get(kind, kind), measure, *map(_number, values)])
    if not rows:
        return []
    columns = ["Kind", "Measure", "Smallest", "25 %", "Median", "75 %", "Largest"]
    return [Table(columns, rows, "Sizes, durations and rates, as read from the source.")]


def _tasks(description: Description) -> list[Block]:
    blocks: list[Block] = []
    ratios = description.get("compressibility", {})
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
            "Compressibility: size as raw 8-bit values over size after gzip. 1 is noise; a higher "
            "ratio means a more redundant sample."
        )
        columns = ["Kind", "Median ratio", "Interquartile range", "Measured"]
        blocks.append(Table(columns, rows, caption))
    if tasks := description.get("tasks"):
        caption = (
            "Tasks: the labels of one kind of sample in one source. The Davies–Bouldin index is "
            "computed on simple features without a model: 0 is best, above about 1 classes "
            "overlap. Entropy is 100 % if all classes are equally frequent."
        )
        columns = [
            "Source", "Kind", "Classes", "Labelled", "Entropy", "Largest : smallest",
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
