"""Labels: their rules, their counts, and their distribution over the splits."""

from __future__ import annotations

from medfm_cli.commands.curate.catalog import EACH_LABEL, KEPT
from medfm_cli.commands.curate.options.source import SourceKeys
from medfm_cli.commands.curate.report.context import ReportContext
from medfm_cli.commands.curate.split.step import SplitResult
from medfm_cli.data.manifest import SPLITS
from medfm_cli.runs import Callout, Table, Text
from medfm_cli.runs.blocks import Block, Cell

MOST_RULES = 60

Rows = list[list[Cell]]


def label_blocks(context: ReportContext) -> list[Block]:
    """The rules with their counts, the split, and caveats."""
    return [
        *_rules(context),
        Text(_subjects(context)),
        *context.dealt.tables(),
        *_remarks(context),
    ]


def _rules(context: ReportContext) -> list[Block]:
    """Every rule of every source with how many samples it labelled or left out."""
    rows: Rows = []
    for number, (name, keys) in enumerate(context.recipe.blocks().items()):
        counts = _counts(context, number)
        rows += [[name, *row] for row in _of_block(keys, counts, _dropped(context, number))]
        rows += [[name, *row] for row in _unmatched(context, number)]
    if not rows:
        return []
    several = len(context.recipe.blocks()) > 1
    columns = ["Source", "Rule", "Class", "Kept"]
    if not several:
        rows, columns = [row[1:] for row in rows], columns[1:]
    caption = (
        "Label rules, and the samples kept in each class. Several rules may lead to one class; "
        "each of them shows the count of the class."
    )
    return [Table(columns, rows[:MOST_RULES], caption)]


def _of_block(keys: SourceKeys, counts: dict[str, int], dropped: dict[str, int]) -> Rows:
    spec = keys.label_spec()
    rows: Rows = []
    for name, condition in spec.rules.items():
        rows.append([condition, name, counts.get(name, 0)])
    for value, name in spec.classes.items():
        rows.append([str(value), name, counts.get(name, 0)])
    rows += [[f"removed: {reason}", "", -count] for reason, count in dropped.items()]
    return rows


def _unmatched(context: ReportContext, block: int) -> Rows:
    """Rows of the table that match no rule, or several."""
    rules = next((notes.rules for notes in context.notes if notes.block == block), None)
    if rules is None:
        return []
    counts = rules.counts
    lines = (
        ("table rows that match no rule", counts.none),
        ("table rows that lack a value which a rule needs", counts.missing),
        ("table rows that match several rules", counts.several),
    )
    return [[what, "", count] for what, count in lines if count]


def _counts(context: ReportContext, block: int) -> dict[str, int]:
    sql = (
        f"SELECT value, COUNT(*) AS n FROM items, {EACH_LABEL} WHERE {KEPT} AND block = ? "  # noqa: S608
        "GROUP BY 1"
    )
    return {str(row["value"]): row["n"] for row in context.catalog.rows(sql, block)}


def _dropped(context: ReportContext, block: int) -> dict[str, int]:
    sql = (
        "SELECT reason, COUNT(*) AS n FROM items WHERE fate = 'dropped' AND step = 'labels' "
        "AND block = ? GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    return {row["reason"]: row["n"] for row in context.catalog.rows(sql, block)}


def _subjects(context: ReportContext) -> str:
    counts = context.account.counts()
    patients, subjects = counts["patients"], counts["subjects"]
    if patients == subjects:
        text = f"All {subjects} subjects are patients or cases by their identifiers."
    elif patients:
        text = (
            f"{patients} of the {subjects} subjects are patients or cases by their identifiers; "
            f"the others are studies or single files without one."
        )
    else:
        text = "No image has a patient identifier: every study or file counts as one subject."
        if context.noun != "images":
            text = text.replace("image", "sample")
    return text


def _remarks(context: ReportContext) -> list[Block]:
    joined, unique, dealt = context.joined, context.unique, context.dealt
    classes, noun = context.card.label_schema.classes, context.noun
    remarks: list[Block] = []
    if len(classes) == 1:
        text = f"There is only one class, '{classes[0]}': a classifier cannot be trained on it."
        remarks.append(Callout("warn", text))
    if not context.account.counts()["patients"]:
        text = (
            f"Without patient identifiers, {noun} of one patient may be in several splits, and "
            "scores may be too high."
        )
        for hint in filter(None, (metadata.suggestion for metadata in context.notes)):
            text += f" Perhaps {hint}."
        remarks.append(Callout("warn", text))
    for metadata in context.notes:
        remarks += [Callout("warn", f"{text}.") for text in metadata.warnings]
    if joined.placeholders:
        listed = ", ".join(f"'{word}' ({n})" for word, n in joined.placeholders.most_common(8))
        text = (
            f"Subjects that name nobody were left out, and each file stands for itself: {listed}."
        )
        remarks.append(Callout("warn", text))
    if joined.unlisted:
        listed = ", ".join(f"{raw} ({count})" for raw, count in joined.unlisted.most_common(8))
        text = f"Labels missing from labels.classes count as no label: {listed}."
        remarks.append(Callout("note", text))
    for count, text in (
        (joined.torn, f"{noun} have table rows with conflicting labels, and so no label"),
        (joined.shared, f"{noun} match a table row that fits several files, and so have no label"),
        (unique.contradicted, f"{noun} have duplicates with different labels, and so no label"),
        (unique.crossed, f"{noun} have duplicates in another official split; one copy is kept"),
    ):
        if count:
            remarks.append(Callout("warn", f"{count} {text}."))
    remarks += [Callout("warn", text) for text in dealt.remarks()]
    remarks += [Callout("note", text) for text in dealt.notes()]
    missing = [split for split in SPLITS if classes and not _has_all(dealt, split, classes)]
    if missing and len(classes) > 1:
        splits = " and ".join(missing)
        text = f"Some classes have no sample in {splits}: there are too few subjects."
        remarks.append(Callout("warn", text))
    return remarks


def _has_all(dealt: SplitResult, split: str, classes: list[str]) -> bool:
    present = [name for name in classes if name in dealt.labels and dealt.labels[name][split]]
    return not present or len(present) == len(classes)
