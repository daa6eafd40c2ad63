"""Labels: by which rules they came about, how many there are, and how they lie over the split."""

from __future__ import annotations

from medfm_cli.commands.curate.describing.tallies import EACH_LABEL, KEPT
from medfm_cli.commands.curate.options.source import SourceKeys
from medfm_cli.commands.curate.report.context import Story
from medfm_cli.commands.curate.split.step import Dealt
from medfm_cli.data.manifest import SPLITS
from medfm_cli.runs import Callout, Table, Text
from medfm_cli.runs.blocks import Block, Cell

MOST_RULES = 60

Rows = list[list[Cell]]


def label_blocks(story: Story) -> list[Block]:
    """The rules with their counts, the split, and what a careful reader should know."""
    return [
        *_rules(story),
        Text(_whose(story)),
        *story.dealt.tables(),
        *_remarks(story),
    ]


def _rules(story: Story) -> list[Block]:
    """Every rule of every source with how many samples it labelled or left out."""
    rows: Rows = []
    for number, (name, keys) in enumerate(story.recipe.blocks().items()):
        counts = _counts(story, number)
        rows += [[name, *row] for row in _of_block(keys, counts, _dropped(story, number))]
        rows += [[name, *row] for row in _rules_say(story, number)]
    if not rows:
        return []
    several = len(story.recipe.blocks()) > 1
    columns = ["Source", "Rule", "Becomes", "Kept"]
    if not several:
        rows, columns = [row[1:] for row in rows], columns[1:]
    caption = (
        "The rules of the labels, and how many samples are kept under each class. Several rules "
        "may lead to one class, which then has one count."
    )
    return [Table(columns, rows[:MOST_RULES], caption)]


def _of_block(keys: SourceKeys, counts: dict[str, int], dropped: dict[str, int]) -> Rows:
    spec = keys.label_spec()
    rows: Rows = []
    for name, condition in spec.rules.items():
        rows.append([condition, name, counts.get(name, 0)])
    for value, name in spec.classes.items():
        rows.append([str(value), name, counts.get(name, 0)])
    rows += [[f"left out: {reason}", "", -count] for reason, count in dropped.items()]
    return rows


def _rules_say(story: Story, block: int) -> Rows:
    """Rows of the table that no rule took, or several."""
    rules = next((notes.rules for notes in story.notes if notes.block == block), None)
    if rules is None:
        return []
    counts = rules.counts
    said = (
        ("rows of the table that no rule takes", counts.none),
        ("rows that lack what a rule compares", counts.missing),
        ("rows that several rules take", counts.several),
    )
    return [[what, "", count] for what, count in said if count]


def _counts(story: Story, block: int) -> dict[str, int]:
    sql = (
        f"SELECT value, COUNT(*) AS n FROM items, {EACH_LABEL} WHERE {KEPT} AND block = ? "  # noqa: S608
        "GROUP BY 1"
    )
    return {str(row["value"]): row["n"] for row in story.ledger.rows(sql, block)}


def _dropped(story: Story, block: int) -> dict[str, int]:
    sql = (
        "SELECT reason, COUNT(*) AS n FROM items WHERE fate = 'dropped' AND step = 'labels' "
        "AND block = ? GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    return {row["reason"]: row["n"] for row in story.ledger.rows(sql, block)}


def _whose(story: Story) -> str:
    counts = story.account.counts()
    patients, subjects = counts["patients"], counts["subjects"]
    if patients == subjects:
        whose = f"All {subjects} subjects are patients or cases by their identifiers."
    elif patients:
        whose = (
            f"{patients} of the {subjects} subjects are patients or cases by their identifiers; "
            f"the others are studies or single files without one."
        )
    else:
        whose = "No image says whose it is: every study or file counts as a subject of its own."
        if story.noun != "images":
            whose = whose.replace("image", "sample")
    return whose


def _remarks(story: Story) -> list[Block]:
    joined, unique, dealt = story.joined, story.unique, story.dealt
    classes, noun = story.card.label_schema.classes, story.noun
    remarks: list[Block] = []
    if len(classes) == 1:
        text = f"There is only one class, '{classes[0]}': nothing can be learnt from this label."
        remarks.append(Callout("warn", text))
    if not story.account.counts()["patients"]:
        text = (
            f"Without patient identifiers, {noun} of one patient may lie on both sides of the "
            "split, and scores may be too good."
        )
        remarks.append(Callout("warn", text))
    if joined.unlisted:
        listed = ", ".join(f"{raw} ({count})" for raw, count in joined.unlisted.most_common(8))
        text = f"Labels that labels.classes does not list count as none: {listed}."
        remarks.append(Callout("note", text))
    for count, text in (
        (joined.torn, f"{noun} have table rows with different labels, and so none"),
        (joined.shared, f"{noun} share a table row that could mean either, and so have no label"),
        (unique.contradicted, "pictures have copies with different labels, and so none"),
        (unique.crossed, "pictures are on two sides of the official split; one copy is kept"),
    ):
        if count:
            remarks.append(Callout("warn", f"{count} {text}."))
    remarks += [Callout("warn", text) for text in dealt.remarks()]
    remarks += [Callout("note", text) for text in dealt.notes()]
    missing = [split for split in SPLITS if classes and not _has_all(dealt, split, classes)]
    if missing and len(classes) > 1:
        sides = " and ".join(missing)
        text = f"Not every class has an image in {sides}: there are too few subjects."
        remarks.append(Callout("warn", text))
    return remarks


def _has_all(dealt: Dealt, split: str, classes: list[str]) -> bool:
    found = [name for name in classes if name in dealt.labels and dealt.labels[name][split]]
    return not found or len(found) == len(classes)
