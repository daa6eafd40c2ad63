"""Texts, questions and tables: shown if the source is public or the recipe allows it.

Otherwise the report gives only their number. Rare values of tables are never shown: a cell that few
rows share may identify someone.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from medfm_cli.commands.curate.catalog import KEPT, Catalog
from medfm_cli.commands.curate.instructions.step import read_turns
from medfm_cli.commands.curate.report.selection import of_labels
from medfm_cli.commands.curate.written import WrittenSamples
from medfm_cli.runs import Callout, Table
from medfm_cli.runs.blocks import Block
from medfm_cli.samples.content import Row, Text

EXCERPT = 320
"""Characters of a text that are shown."""
MOST_TEXTS, MOST_TURNS, MOST_COLUMNS = 4, 8, 60
ROWS = 2000
"""Rows from which the columns of a table are summarised."""
SHARED = 10
"""Least number of rows that share a value for it to be shown."""
_BYTES = 64 << 20
HIDDEN = (
    "Texts are not shown because the source may contain patient data. "
    "describe.show_text: true shows some of them."
)


def text_blocks(catalog: Catalog, stored: WrittenSamples, *, show: bool) -> list[Block]:
    """The beginnings of some texts, with as many labels as possible."""
    if not show:
        return [Callout("note", HIDDEN)]
    chosen = of_labels(catalog, "kind = 'text'", limit=MOST_TEXTS)
    found = stored.samples(item.sha for item in chosen)
    rows = [
        [item.title(), excerpt(sample.content.text)]
        for item in chosen
        if (sample := found.get(item.sha)) and isinstance(sample.content, Text)
    ]
    return [Table(["Text", "Beginning"], rows, "Some of the texts, after de-identification.")]


def attached_blocks(catalog: Catalog, *, show: bool) -> list[Block]:
    """Reports that belong to samples of other kinds, and questions about them."""
    has_text = f"{KEPT} AND kind <> 'text' AND text <> ''"
    texts = catalog.one(f"SELECT COUNT(*) FROM items WHERE {has_text}")  # noqa: S608
    has_turns = f"{KEPT} AND json_array_length(nullif(turns, '')) > 0"
    questions = catalog.one(
        f"SELECT coalesce(SUM(json_array_length(turns)), 0) FROM items WHERE {has_turns}"  # noqa: S608
    )
    blocks: list[Block] = []
    if texts:
        blocks.append(Callout("note", f"{texts} samples have their own report or caption."))
        if show:
            sql = (
                f"SELECT text, modality FROM items WHERE {KEPT} AND kind <> 'text' "  # noqa: S608
                f"AND text <> '' ORDER BY content_sha LIMIT {MOST_TEXTS}"
            )
            rows = [[row["modality"], excerpt(row["text"])] for row in catalog.rows(sql)]
            blocks.append(
                Table(
                    ["Modality", "Beginning"], rows, "Some of these texts, after de-identification."
                )
            )
    if questions:
        caption = f"Some of the {questions} questions and answers."
        if show:
            sql = (
                f"SELECT turns FROM items WHERE {has_turns} ORDER BY content_sha LIMIT {MOST_TURNS}"  # noqa: S608
            )
            turns = [read_turns(row["turns"])[0] for row in catalog.rows(sql)]
            shown = [[excerpt(question), excerpt(answer)] for question, answer, _ in turns]
            blocks.append(Table(["Question", "Answer"], shown, caption))
        else:
            blocks.append(Callout("note", f"There are {questions} questions and answers."))
    return blocks


def table_blocks(catalog: Catalog, stored: WrittenSamples) -> list[Block]:
    """A summary of the columns of all rows."""
    sql = (
        f"SELECT content_sha FROM items WHERE {KEPT} AND kind = 'table' "  # noqa: S608
        f"ORDER BY content_sha LIMIT {ROWS}"
    )
    shas = [row["content_sha"] for row in catalog.rows(sql)]
    numbers: defaultdict[str, list[float]] = defaultdict(list)
    texts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    rows = 0
    names: dict[str, None] = {}
    for _, content in stored.contents(shas, most=_BYTES):
        if not isinstance(content, Row):
            continue
        rows += 1
        for name, value in content.cells.items():
            names[name] = None
            if isinstance(value, int | float):
                numbers[name].append(float(value))
            elif value:
                texts[name][value] += 1
    if not rows:
        return []
    summary = [
        column(name, numbers[name], texts[name], rows) for name in list(names)[:MOST_COLUMNS]
    ]
    caption = f"Columns of the table, from {rows} rows. Values that few rows share are not shown."
    if len(names) > MOST_COLUMNS:
        caption += f" {len(names) - MOST_COLUMNS} more columns are not listed."
    return [Table(["Column", "Filled", "Type", "Values"], summary, caption)]


def column(
    name: str, numbers: list[float], texts: Counter[str], rows: int
) -> list[str | int | float | None]:
    """Name, share of filled cells, type and values of a column."""
    filled = f"{(len(numbers) + texts.total()) / rows:.0%}"
    if len(numbers) > texts.total():
        low, middle, high = np.percentile(numbers, (5, 50, 95))
        return [
            name,
            filled,
            "number",
            f"median {middle:.4g}, 5th to 95th percentile {low:.4g} to {high:.4g}",
        ]
    common = [f"{value} ({n})" for value, n in texts.most_common(4) if n >= SHARED]
    if not texts:
        return [name, filled, "empty", ""]
    values = f"{len(texts)} different"
    return [name, filled, "text", f"{values}: {', '.join(common)}" if common else values]


def excerpt(text: str) -> str:
    """The beginning of a text, on one line, cut at a word."""
    line = " ".join(text.split())
    if len(line) <= EXCERPT:
        return line
    return line[:EXCERPT].rsplit(" ", 1)[0] + " …"
