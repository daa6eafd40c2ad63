"""The report of a curation: the books, the pictures, the split, and what was not checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from medfm_cli.commands.curate.account import Account
from medfm_cli.commands.curate.clients import Partitioned
from medfm_cli.commands.curate.deduplicate import Unique
from medfm_cli.commands.curate.dicom_copies import Copies
from medfm_cli.commands.curate.instructions import Instructed
from medfm_cli.commands.curate.joining import Joined
from medfm_cli.commands.curate.notes import Notes
from medfm_cli.commands.curate.rescan import Rescan
from medfm_cli.commands.curate.sheets import class_sheet, copies_sheet, modality_sheet
from medfm_cli.commands.curate.split import Dealt
from medfm_cli.data.card import DatasetCard
from medfm_cli.data.manifest import SPLITS
from medfm_cli.runs import Callout, Facts, Run, Section, Table, Text
from medfm_cli.runs.blocks import Block

MOST_ROWS = 40
Rows = list[list[str | int | float | None]]
STEPS = {
    "read": "reading",
    "quality": "quality",
    "deidentify": "de-identification",
    "labels": "labels",
    "withdrawn": "withdrawal",
    "duplicates": "duplicates",
}
_AT_RISK = ("US", "Endoscopy", "XR", "Photography", "")


@dataclass(frozen=True)
class Story:
    """Everything that the report tells of."""

    account: Account
    card: DatasetCard
    run: Run
    joined: Joined
    unique: Unique
    dealt: Dealt
    instructed: Instructed | None = None
    partitioned: Partitioned | None = None
    rescanned: Rescan | None = None
    copies: Copies | None = None
    notes: Sequence[Notes] = ()


def headline(account: Account, card: DatasetCard) -> str:
    """One sentence."""
    counts = account.counts()
    classes = len(card.label_schema.classes)
    of = f" in {classes} classes" if classes else ""
    tiles = f" as {card.counts.samples} samples" if card.counts.samples != counts["kept"] else ""
    return (
        f"{counts['kept']} images{tiles} of {counts['subjects']} subjects{of}, "
        f"out of {counts['files']} files"
    )


def summary(account: Account, card: DatasetCard) -> Table:
    """The table at the end of the command."""
    counts = account.counts()
    rows: Rows = [
        ["files", counts["files"]],
        ["images read", counts["read"]],
        ["quarantined", counts["quarantined"]],
        ["duplicates", counts["duplicates"]],
        ["images kept", counts["kept"]],
        ["samples written", card.counts.samples],
        ["subjects", counts["subjects"]],
        ["labelled images", counts["labelled"]],
    ]
    splits = card.counts.splits
    rows += [[split, splits[split].samples] for split in SPLITS if split in splits]
    return Table(["Curated", "Count"], rows)


def sections(story: Story) -> list[Section]:
    """The whole report."""
    account, card, run = story.account, story.card, story.run
    copies = account.counts()["duplicates"]
    return [
        Section("What came in, what is left", _books(account, card)),
        *([Section("The images", _pictures(story))] if "image" in card.counts.kinds else []),
        Section("Labels and split", _labels(story)),
        *([Section("The same picture twice", _copies(story))] if copies else []),
        Section("Whose images they are", _privacy(account, run)),
        Section("What was decided", _decisions(run)),
    ]


def _books(account: Account, card: DatasetCard) -> list[Block]:
    counts = account.counts()
    facts = {
        "Files": counts["files"],
        "Images kept": counts["kept"],
        "Samples": card.counts.samples,
        "Subjects": counts["subjects"],
        "Classes": len(card.label_schema.classes),
    }
    return [
        Facts(facts),
        _steps(account, card),
        *_reasons(account),
        *_not_opened(account),
    ]


def _steps(account: Account, card: DatasetCard) -> Table:
    """Before and after every step."""
    counts = account.counts()
    lost: Counter[str] = Counter()
    for (step, _), count in account.reasons().items():
        lost[step] += count
    lost["duplicates"] += counts["duplicates"]
    rows: Rows = []
    left = counts["read"]
    for step, name in STEPS.items():
        if lost[step] or step in ("read", "quality", "duplicates"):
            rows.append([name, left, lost[step], left - lost[step]])
            left -= lost[step]
    caption = (
        f"{counts['read']} read = {counts['kept']} kept + {counts['duplicates']} duplicates "
        f"+ {counts['quarantined']} quarantined. A file that gives no image "
        f"counts once, one with several frames once a frame."
    )
    if card.counts.samples != counts["kept"]:
        caption += f" Tiling then made {card.counts.samples} samples of {left} images."
    return Table(["Step", "Before", "Left out", "After"], rows, caption)


def _reasons(account: Account) -> list[Block]:
    found = account.reasons().most_common()
    if not found:
        return [Callout("good", "Nothing had to be quarantined.")]
    rows: Rows = [
        [reason, STEPS.get(step, step), count] for (step, reason), count in found[:MOST_ROWS]
    ]
    caption = "Every file and its reason is in quarantine.parquet."
    if len(found) > MOST_ROWS:
        caption += f" {len(found) - MOST_ROWS} rarer reasons are not shown here."
    return [Table(["Why it was quarantined", "Step", "Images"], rows, caption, bars=["Images"])]


def _not_opened(account: Account) -> list[Block]:
    blocks: list[Block] = []
    rows = account.ledger.rows(
        "SELECT reason, count(*) AS n FROM left_out GROUP BY reason ORDER BY n DESC, reason"
    )
    reasons = Counter(dict(tuple(row) for row in rows))
    if reasons:
        listed = "; ".join(f"{count} × {reason}" for reason, count in reasons.most_common(5))
        blocks.append(Callout("note", f"{reasons.total()} entries were not opened: {listed}."))
    if account.absent:
        text = f"The table names {account.absent} files that are not there."
        few = account.absent < account.counts()["files"]
        blocks.append(Callout("warn" if few else "note", text))
    return blocks


def _pictures(story: Story) -> list[Block]:
    ledger, classes = story.account.ledger, story.card.label_schema.classes
    blocks: list[Block] = []
    if classes:
        blocks.append(class_sheet(ledger, classes, story.run))
    if not blocks or len(story.card.counts.modalities) > 1:
        blocks.append(modality_sheet(ledger, story.run))
    kept = "FROM items WHERE fate = 'kept' AND kind = 'image'"
    sizes = ledger.rows(
        f"SELECT width || ' × ' || height AS size, count(*) AS n {kept} "
        "GROUP BY size ORDER BY n DESC, size LIMIT 8"
    )
    rows: Rows = [[size, count] for size, count in sizes]
    several = ledger.one(f"SELECT count(DISTINCT width || ' ' || height) {kept}")
    caption = f"The commonest of {several} sizes, width × height in pixels, as read."
    return [*blocks, Table(["Size", "Images"], rows, caption, bars=["Images"])]


def _labels(story: Story) -> list[Block]:
    blocks: list[Block] = [Text(_split_words(story)), *story.dealt.tables()]
    return blocks + _label_remarks(story)


def _split_words(story: Story) -> str:
    account = story.account
    patients = account.counts()["patients"]
    subjects = account.counts()["subjects"]
    if patients == subjects:
        whose = f"All {subjects} subjects are patients or cases by their identifiers."
    elif patients:
        whose = (
            f"{patients} of the {subjects} subjects are patients or cases by their identifiers; "
            f"the others are studies or single files without one."
        )
    else:
        whose = "No image says whose it is: every study or file counts as a subject of its own."
    return f"How it was split: {story.dealt.why}. {whose}"


def _label_remarks(story: Story) -> list[Block]:
    account, card = story.account, story.card
    joined, unique, dealt = story.joined, story.unique, story.dealt
    remarks: list[Block] = []
    classes = card.label_schema.classes
    if len(classes) == 1:
        text = f"There is only one class, '{classes[0]}': nothing can be learnt from this label."
        remarks.append(Callout("warn", text))
    if not account.counts()["patients"]:
        text = (
            "Without patient identifiers, images of one patient may lie on both sides of the "
            "split, and scores may be too good."
        )
        remarks.append(Callout("warn", text))
    if joined.unlisted:
        listed = ", ".join(f"{raw} ({count})" for raw, count in joined.unlisted.most_common(8))
        text = f"Labels that labels.classes does not list count as none: {listed}."
        remarks.append(Callout("note", text))
    for count, text in (
        (joined.torn, "images have table rows with different labels, and so none"),
        (joined.shared, "images share a table row that could mean either, and so have no label"),
        (unique.contradicted, "pictures have copies with different labels, and so none"),
        (unique.crossed, "pictures are on two sides of the official split; one copy is kept"),
    ):
        if count:
            remarks.append(Callout("warn", f"{count} {text}."))
    remarks += [Callout("warn", text) for text in dealt.remarks()]
    missing = [s for s in SPLITS if classes and not _has_all(dealt, s, classes)]
    if missing and len(classes) > 1:
        text = (
            f"Not every class has an image in {' and '.join(missing)}: there are too few subjects."
        )
        remarks.append(Callout("warn", text))
    return remarks


def _has_all(dealt: Dealt, split: str, classes: list[str]) -> bool:
    found = [name for name in classes if name in dealt.labels and dealt.labels[name][split]]
    return not found or len(found) == len(classes)


def _copies(story: Story) -> list[Block]:
    ledger, unique = story.account.ledger, story.unique
    duplicates = "FROM items WHERE fate = 'duplicate'"
    total = ledger.one(f"SELECT count(*) {duplicates}")
    exact = ledger.one(f"SELECT count(*) {duplicates} AND exact")
    pictures = ledger.one(f"SELECT count(DISTINCT twin) {duplicates}")
    text = (
        f"{total} images show the very pixels of {pictures} others: {exact} are the same file, "
        f"{total - exact} hold the same pixels elsewhere, often in another encoding. One of each "
        f"is kept, the one of which most is known. Pictures that are merely alike (other sizes, "
        f"lossy copies) are not looked for."
    )
    blocks: list[Block] = [Text(text)]
    if ledger.one(f"SELECT 1 {duplicates} AND kind = 'image' LIMIT 1"):
        blocks.append(copies_sheet(ledger, story.run))
    if unique.tied:
        text = f"{unique.tied} groups of patients share pixels; each is now one subject."
        blocks.append(Callout("warn", text))
    if unique.shared_widely:
        text = (
            f"Pictures that come from more than five patients each, like a test card: "
            f"{unique.shared_widely}. They tie nobody together."
        )
        blocks.append(Callout("note", text))
    return blocks


def _privacy(account: Account, run: Run) -> list[Block]:
    secret = str(run.resolved.get("deidentify.secret", {}).get("value", "as the recipe says"))
    kept = "FROM items WHERE fate = 'kept'"
    at_risk = ", ".join(f"'{name}'" for name in _AT_RISK)
    risky = account.ledger.one(
        f"SELECT count(*) {kept} AND kind = 'image' AND modality IN ({at_risk})"
    )
    declared = account.ledger.one(
        f"SELECT count(*) {kept} AND EXISTS (SELECT 1 FROM json_each(notes) "  # noqa: S608
        "WHERE value = 'burned-in annotation declared')"
    )
    rows = [
        ["patient, study and institution", "replaced by keyed pseudonyms", f"key: {secret}"],
        ["file names", "see source in the manifest", _paths(run)],
        ["other header fields", "left out", "only technical facts are kept"],
        ["free text in tables", "left out", "only the chosen columns are kept"],
        ["text burned into pixels", "NOT CHECKED", f"{risky} radiographs, ultrasound or unknown"],
        ["faces in head scans", "NOT CHECKED", ""],
    ]
    blocks: list[Block] = [Table(["What could name someone", "What was done", "How"], rows)]
    if declared:
        text = f"{declared} images declare themselves that text is burned into their pixels."
        blocks.append(Callout("warn", text))
    blocks.append(
        Callout(
            "note",
            "linkage.parquet in the run directory leads back to the site's files. It is private "
            "and no part of the dataset.",
        )
    )
    return blocks


def _paths(run: Run) -> str:
    value = run.resolved.get("deidentify.source_paths", {}).get("value")
    return {"keep": "kept: the source is public", "hash": "hashed with the key"}.get(
        str(value), "as the recipe says"
    )


def _decisions(run: Run) -> list[Block]:
    rows = [[key, _shown(said["value"]), said["why"]] for key, said in run.resolved.items()]
    return [Table(["Key", "Value", "Why"], rows)]


def _shown(value: object) -> str:
    return "none" if value is None else str(value)
