"""The report of a curation: the books, the pictures, the split, and what was not checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from medfm_cli.commands.curate.account import Account
from medfm_cli.commands.curate.images import Image
from medfm_cli.commands.curate.sheets import class_sheet, copies_sheet, modality_sheet
from medfm_cli.commands.curate.split_images import labels_of
from medfm_cli.data.card import DatasetCard
from medfm_cli.data.manifest import SPLITS
from medfm_cli.runs import Callout, Facts, Run, Section, Table, Text
from medfm_cli.runs.blocks import Block

MOST_ROWS = 40
Rows = list[list[str | int | float | None]]
STEPS = {
    "read": "reading",
    "quality": "quality",
    "labels": "labels",
    "duplicates": "duplicates",
}
_AT_RISK = ("US", "Endoscopy", "XR", "Photography", "")


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


def sections(account: Account, card: DatasetCard, run: Run) -> list[Section]:
    """The whole report."""
    return [
        Section("What came in, what is left", _books(account, card)),
        Section("The images", _pictures(account, card, run)),
        Section("Labels and split", _labels(account, card)),
        *([Section("The same picture twice", _copies(account, run))] if account.duplicates else []),
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
    lost = Counter(refused.step for _, refused in account.refused)
    lost["labels"] += len(account.dropped)
    lost["duplicates"] += len(account.duplicates)
    rows: Rows = []
    left = account.read
    for step, name in STEPS.items():
        if lost[step] or step != "labels":
            rows.append([name, left, lost[step], left - lost[step]])
            left -= lost[step]
    caption = (
        f"{account.read} read = {len(account.images)} kept + {len(account.duplicates)} duplicates "
        f"+ {len(account.refused) + len(account.dropped)} quarantined. A file that gives no image "
        f"counts once, one with several frames once a frame."
    )
    if card.counts.samples != len(account.images):
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
    if account.left_out:
        reasons = Counter(reason for _, reason in account.left_out)
        listed = "; ".join(f"{count} × {reason}" for reason, count in reasons.most_common(5))
        blocks.append(
            Callout("note", f"{len(account.left_out)} entries were not opened: {listed}.")
        )
    if account.absent:
        text = f"The table names {len(account.absent)} files that are not there."
        blocks.append(Callout("warn" if len(account.absent) < account.files else "note", text))
    return blocks


def _pictures(account: Account, card: DatasetCard, run: Run) -> list[Block]:
    blocks: list[Block] = []
    if card.label_schema.classes:
        blocks.append(class_sheet(account.images, card.label_schema.classes, run))
    others = _beyond_classes(account, card)
    if not blocks or (others and len({image.modality for image in account.images}) > 1):
        blocks.append(modality_sheet(others, run, rest=len(others) < len(account.images)))
    sizes = Counter(f"{image.row.width} × {image.row.height}" for image in account.images)
    rows: Rows = [[size, count] for size, count in sizes.most_common(8)]
    caption = f"The commonest of {len(sizes)} sizes, width × height in pixels, as read."
    return [*blocks, Table(["Size", "Images"], rows, caption, bars=["Images"])]


def _beyond_classes(account: Account, card: DatasetCard) -> list[Image]:
    """The images whose modality the sheet of classes does not show already."""
    pairs = {(image.modality, label) for image in account.images for label in labels_of(image)}
    if len(pairs) > len(card.label_schema.classes):
        return list(account.images)
    told = {modality for modality, _ in pairs}  # each class is one modality
    return [image for image in account.images if image.modality not in told]


def _labels(account: Account, card: DatasetCard) -> list[Block]:
    blocks: list[Block] = [Text(_split_words(account))]
    names = [*card.label_schema.classes] or []
    rows = [_label_row(name, [i for i in account.images if name in labels_of(i)]) for name in names]
    unlabelled = [image for image in account.images if not labels_of(image)]
    if unlabelled:
        rows.append(_label_row("no label", unlabelled))
    if len(rows) > 1:
        rows.append(_label_row("all", account.images))
    columns = ["Label", "Images", "Subjects"]
    columns += [f"{split}: {what}" for split in SPLITS for what in ("images", "subjects")]
    shown = rows if len(rows) <= MOST_ROWS else [*rows[: MOST_ROWS - 1], rows[-1]]
    blocks.append(Table(columns, shown, strong=[len(shown) - 1] if len(shown) > 1 else ()))
    return blocks + _label_remarks(account, card)


def _label_row(name: str, images: Sequence[Image]) -> list[str | int]:
    row: list[str | int] = [name, len(images), len({image.subject for image in images})]
    for split in SPLITS:
        part = [image for image in images if image.split == split]
        row += [len(part), len({image.subject for image in part})]
    return row


def _split_words(account: Account) -> str:
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
    return f"How it was split: {account.dealt.why}. {whose}"


def _label_remarks(account: Account, card: DatasetCard) -> list[Block]:
    described, unique, dealt = account.described, account.unique, account.dealt
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
    if described.unlisted:
        listed = ", ".join(f"{raw} ({count})" for raw, count in described.unlisted.most_common(8))
        text = f"Labels that labels.classes does not list count as none: {listed}."
        remarks.append(Callout("note", text))
    for count, text in (
        (described.torn, "images have table rows with different labels, and so none"),
        (described.shared, "images share a table row that could mean either, and so have no label"),
        (unique.contradicted, "pictures have copies with different labels, and so none"),
        (unique.crossed, "pictures are on two sides of the official split; one copy is kept"),
        (dealt.crossing, "subjects are on two sides of the official split"),
        (dealt.unassigned, "images are in no part of the official split and went to train"),
    ):
        if count:
            remarks.append(Callout("warn", f"{count} {text}."))
    missing = [s for s in SPLITS if classes and not _has_all(account, s, classes)]
    if missing and len(classes) > 1:
        text = (
            f"Not every class has an image in {' and '.join(missing)}: there are too few subjects."
        )
        remarks.append(Callout("warn", text))
    return remarks


def _has_all(account: Account, split: str, classes: Sequence[str]) -> bool:
    found = {
        label for image in account.images if image.split == split for label in labels_of(image)
    }
    return not found or found == set(classes)


def _copies(account: Account, run: Run) -> list[Block]:
    total = len(account.duplicates)
    exact = sum(copy.exact for copy in account.duplicates)
    pictures = len({copy.kept.image_id for copy in account.duplicates})
    text = (
        f"{total} images show the very pixels of {pictures} others: {exact} are the same file, "
        f"{total - exact} hold the same pixels elsewhere, often in another encoding. One of each "
        f"is kept, the one of which most is known. Pictures that are merely alike (other sizes, "
        f"lossy copies) are not looked for."
    )
    blocks: list[Block] = [Text(text), copies_sheet(account, run)]
    if account.unique.tied:
        several = len(account.unique.tied)
        blocks.append(
            Callout("warn", f"{several} groups of patients share pixels; each is now one subject.")
        )
    if account.unique.shared_widely:
        text = (
            f"Pictures that come from more than five patients each, like a test card: "
            f"{account.unique.shared_widely}. They tie nobody together."
        )
        blocks.append(Callout("note", text))
    return blocks


def _privacy(account: Account, run: Run) -> list[Block]:
    secret = str(run.resolved.get("deidentify.secret", {}).get("value", "as the recipe says"))
    notes = Counter(note for image in account.images for note in image.row.notes)
    modalities = Counter(image.modality for image in account.images)
    risky = sum(modalities[name] for name in _AT_RISK)
    rows = [
        ["patient, study and institution", "replaced by keyed pseudonyms", f"key: {secret}"],
        ["file names", "see source in the manifest", _paths(run)],
        ["other header fields", "left out", "only technical facts are kept"],
        ["free text in tables", "left out", "only the chosen columns are kept"],
        ["text burned into pixels", "NOT CHECKED", f"{risky} radiographs, ultrasound or unknown"],
        ["faces in head scans", "NOT CHECKED", ""],
    ]
    blocks: list[Block] = [Table(["What could name someone", "What was done", "How"], rows)]
    declared = notes["burned-in annotation declared"]
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
