"""Counts by step: samples before and after every step, and the reasons for removal."""

from __future__ import annotations

import re
from collections import Counter

from medfm_cli.commands.curate.catalog import KEPT
from medfm_cli.commands.curate.report.context import STEPS, ReportContext
from medfm_cli.readers.optional import NEEDS
from medfm_cli.runs import Callout, Facts, Table
from medfm_cli.runs.blocks import Block, Cell

MOST_ROWS = 40
_ALWAYS = ("read", "quality", "deidentify", "duplicates")
_COUNTED = re.compile(r"(\d+) (.+)")

Rows = list[list[Cell]]


def funnel_blocks(context: ReportContext) -> list[Block]:
    """The main numbers, the table of steps, and the reasons."""
    counts, card = context.account.counts(), context.card
    facts: dict[str, Cell] = {
        "Files": counts["files"],
        f"{context.noun.capitalize()} kept": counts["kept"],
        "Samples written": card.counts.samples,
        "Subjects": counts["subjects"],
        "Classes": len(card.label_schema.classes),
    }
    return [
        Facts(facts),
        step_table(context),
        *_reasons(context),
        *_notes(context),
        *_not_read(context),
    ]


def step_table(context: ReportContext) -> Table:
    """Number of samples before and after every step, in order."""
    counts = context.account.counts()
    removed: Counter[str] = Counter()
    for (step, _), count in context.account.reasons().items():
        removed[step] += count
    removed["duplicates"] += counts["duplicates"]
    left = counts["read"]
    rows: Rows = []
    for step, name in STEPS.items():
        if removed[step] or step in _ALWAYS:
            rows.append([name, _state(context, step), left, removed[step], left - removed[step]])
            left -= removed[step]
    how = "official" if context.dealt.official else f"by {context.dealt.by}"
    rows.append(["split", how, left, 0, left])
    if context.more.get("Contamination"):
        rows.append(["contamination", "on", left, 0, left])
    if context.card.counts.samples != left:
        rows.append(["derivation", "parts", left, 0, context.card.counts.samples])
    if derived := _derived(context):
        rows.append(["derivation", derived, left, 0, left])
    rows.append(["description", _state(context, "describe"), left, 0, left])
    rows.append(["writing", "on", context.card.counts.samples, 0, context.card.counts.samples])
    caption = (
        f"Samples before and after every step. {counts['read']} read = {counts['kept']} kept + "
        f"{counts['duplicates']} duplicates + {counts['quarantined']} quarantined. A file without "
        f"a sample counts once; a file with several frames or rows counts once for each."
    )
    if context.card.counts.samples != left:
        caption += (
            f" {context.card.counts.samples} samples were derived from {left} {context.noun}."
        )
    return Table(["Step", "Setting", "Before", "Removed", "After"], rows, caption)


def _derived(context: ReportContext) -> str:
    """The names of what else the recipe derives."""
    results = (("questions", context.instructed), ("clients", context.partitioned))
    return ", ".join(name for name, result in results if result is not None)


def _state(context: ReportContext, step: str) -> str:
    """The setting of a step, in a few words."""
    block = context.option({"duplicates": "deduplicate"}.get(step, step))
    if step == "duplicates" and block is not None:
        modes = [f"{of}: {getattr(block, of)}" for of in ("exact", "near") if hasattr(block, of)]
        return "; ".join(modes).replace("_", " ") or "on"
    return "on" if getattr(block, "on", True) else "off"


def _reasons(context: ReportContext) -> list[Block]:
    found = context.account.reasons().most_common()
    if not found:
        return [Callout("good", "No sample was quarantined.")]
    rows: Rows = [
        [reason, STEPS.get(step, step), count] for (step, reason), count in found[:MOST_ROWS]
    ]
    caption = "Reasons for quarantine. Every file and its reason is in quarantine.parquet."
    if len(found) > MOST_ROWS:
        caption += f" {len(found) - MOST_ROWS} rarer reasons are not shown here."
    missing = [
        Callout("warn", f"{count} files were not read: {reason}.")
        for (_, reason), count in found
        if reason.startswith(NEEDS)
    ]
    table = Table(["Reason", "Step", "Count"], rows, caption, bars=["Count"])
    return [*missing, table]


def _notes(context: ReportContext) -> list[Block]:
    """Notes on samples that are kept: rejected values, remarks of readers."""
    sql = (
        f"SELECT value, COUNT(*) AS n FROM items, json_each(notes) WHERE {KEPT} "  # noqa: S608
        "GROUP BY value ORDER BY value"
    )
    times: Counter[str] = Counter()
    samples: Counter[str] = Counter()
    for row in context.catalog.rows(sql):
        counted = _COUNTED.fullmatch(str(row["value"]))
        note = counted[2] if counted else str(row["value"])
        times[note] += row["n"] * (int(counted[1]) if counted else 1)
        samples[note] += row["n"]
    if not times:
        return []
    rows: Rows = [[note, samples[note], count] for note, count in times.most_common(MOST_ROWS)]
    caption = f"Notes on {context.noun} that are kept, such as rejected values."
    return [Table(["Note", context.noun.capitalize(), "Count"], rows, caption)]


def _not_read(context: ReportContext) -> list[Block]:
    blocks: list[Block] = []
    rows = context.catalog.rows(
        "SELECT reason, count(*) AS n FROM left_out GROUP BY reason ORDER BY n DESC, reason"
    )
    reasons = Counter(dict(tuple(row) for row in rows))
    if reasons:
        listed = "; ".join(f"{count} × {reason}" for reason, count in reasons.most_common(5))
        blocks.append(Callout("note", f"{reasons.total()} files were not opened: {listed}."))
    if absent := context.account.absent:
        text = (
            f"Tables and annotations name {absent} files that are missing or unreadable; they are "
            "listed in the quarantine."
        )
        few = absent < context.account.counts()["files"]
        blocks.append(Callout("warn" if few else "note", text))
    return blocks
