"""The books: what came in, what every step left out and why, and what is left."""

from __future__ import annotations

import re
from collections import Counter

from medfm_cli.commands.curate.describing.tallies import KEPT
from medfm_cli.commands.curate.report.context import STEPS, Story
from medfm_cli.readers.optional import NEEDS
from medfm_cli.runs import Callout, Facts, Table
from medfm_cli.runs.blocks import Block, Cell

MOST_ROWS = 40
_ALWAYS = ("read", "quality", "deidentify", "duplicates")
_COUNTED = re.compile(r"(\d+) (.+)")

Rows = list[list[Cell]]


def book_blocks(story: Story) -> list[Block]:
    """The numbers that a reader looks for first, the steps, and the reasons."""
    counts, card = story.account.counts(), story.card
    facts: dict[str, Cell] = {
        "Files": counts["files"],
        f"{story.noun.capitalize()} kept": counts["kept"],
        "Samples written": card.counts.samples,
        "Subjects": counts["subjects"],
        "Classes": len(card.label_schema.classes),
    }
    return [
        Facts(facts),
        step_table(story),
        *_reasons(story),
        *_set_aside(story),
        *_unopened(story),
    ]


def step_table(story: Story) -> Table:
    """Before and after every step, in their order."""
    counts = story.account.counts()
    lost: Counter[str] = Counter()
    for (step, _), count in story.account.reasons().items():
        lost[step] += count
    lost["duplicates"] += counts["duplicates"]
    left = counts["read"]
    rows: Rows = []
    for step, name in STEPS.items():
        if lost[step] or step in _ALWAYS:
            rows.append([name, _state(story, step), left, lost[step], left - lost[step]])
            left -= lost[step]
    how = "official" if story.dealt.official else f"by {story.dealt.by}"
    rows.append(["split", how, left, 0, left])
    if story.more.get("Contamination"):
        rows.append(["contamination", "looked for", left, 0, left])
    if story.card.counts.samples != left:
        rows.append(["derivation", "parts", left, 0, story.card.counts.samples])
    if asked := _derived(story):
        rows.append(["derivation", asked, left, 0, left])
    rows.append(["description", _state(story, "describe"), left, 0, left])
    rows.append(["writing", "on", story.card.counts.samples, 0, story.card.counts.samples])
    caption = (
        f"Every step. {counts['read']} read = {counts['kept']} kept + {counts['duplicates']} "
        f"duplicates + {counts['quarantined']} quarantined. A file that gives nothing counts "
        f"once, one with several frames or rows once for each."
    )
    if story.card.counts.samples != left:
        caption += f" {story.card.counts.samples} samples were derived from {left} {story.noun}."
    return Table(["Step", "Which was", "Before", "Left out", "After"], rows, caption)


def _derived(story: Story) -> str:
    """What else the recipe derives."""
    asked = (("questions", story.instructed), ("clients", story.partitioned))
    return ", ".join(name for name, result in asked if result is not None)


def _state(story: Story, step: str) -> str:
    """Whether a step was on."""
    block = story.option({"duplicates": "deduplicate"}.get(step, step))
    if step == "duplicates" and block is not None:
        modes = [f"{of}: {getattr(block, of)}" for of in ("exact", "near") if hasattr(block, of)]
        return "; ".join(modes).replace("_", " ") or "on"
    return "on" if getattr(block, "on", True) else "off"


def _reasons(story: Story) -> list[Block]:
    found = story.account.reasons().most_common()
    if not found:
        return [Callout("good", "Nothing had to be quarantined.")]
    rows: Rows = [
        [reason, STEPS.get(step, step), count] for (step, reason), count in found[:MOST_ROWS]
    ]
    caption = "Why it was quarantined. Every file and its reason is in quarantine.parquet."
    if len(found) > MOST_ROWS:
        caption += f" {len(found) - MOST_ROWS} rarer reasons are not shown here."
    missing = [
        Callout("warn", f"{count} files were not read: {reason}.")
        for (_, reason), count in found
        if reason.startswith(NEEDS)
    ]
    table = Table(["Why it was quarantined", "Step", "Times"], rows, caption, bars=["Times"])
    return [*missing, table]


def _set_aside(story: Story) -> list[Block]:
    """What was noted of samples that are kept: values set aside, remarks of readers."""
    sql = (
        f"SELECT value, COUNT(*) AS n FROM items, json_each(notes) WHERE {KEPT} "  # noqa: S608
        "GROUP BY value ORDER BY value"
    )
    times: Counter[str] = Counter()
    samples: Counter[str] = Counter()
    for row in story.ledger.rows(sql):
        counted = _COUNTED.fullmatch(str(row["value"]))
        note = counted[2] if counted else str(row["value"])
        times[note] += row["n"] * (int(counted[1]) if counted else 1)
        samples[note] += row["n"]
    if not times:
        return []
    rows: Rows = [[note, samples[note], count] for note, count in times.most_common(MOST_ROWS)]
    caption = f"What was noted of {story.noun} that are kept, such as values that were set aside."
    return [Table(["Note", story.noun.capitalize(), "Times"], rows, caption)]


def _unopened(story: Story) -> list[Block]:
    blocks: list[Block] = []
    rows = story.ledger.rows(
        "SELECT reason, count(*) AS n FROM left_out GROUP BY reason ORDER BY n DESC, reason"
    )
    reasons = Counter(dict(tuple(row) for row in rows))
    if reasons:
        listed = "; ".join(f"{count} × {reason}" for reason, count in reasons.most_common(5))
        blocks.append(Callout("note", f"{reasons.total()} entries were not opened: {listed}."))
    if absent := story.account.absent:
        text = (
            f"Tables and annotations have {absent} entries that name files that are not there, or "
            "that cannot be read; they are in the quarantine."
        )
        few = absent < story.account.counts()["files"]
        blocks.append(Callout("warn" if few else "note", text))
    return blocks
