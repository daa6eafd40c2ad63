"""Whose data they are: what was done to hide it, and what was not looked at."""

from __future__ import annotations

from medfm_cli.commands.curate.deidentify.dicom.copies import Copies
from medfm_cli.commands.curate.deidentify.rescan import Rescan
from medfm_cli.commands.curate.describing.tallies import KEPT
from medfm_cli.commands.curate.report.context import Story
from medfm_cli.runs import Callout, Table
from medfm_cli.runs.blocks import Block, Cell

AT_RISK = ("US", "Endoscopy", "XR", "Photography", "")
"""Modalities whose pictures often have words burned in."""
LINKAGE = (
    "linkage.parquet in the run directory leads back to the site's files. It is private and no "
    "part of the dataset."
)


def privacy_blocks(story: Story) -> list[Block]:
    """What could name someone, what was done about it, and what was not checked."""
    rows = [[what, done, how] for what, done, how in privacy_rows(story)]
    blocks: list[Block] = [Table(["What could name someone", "What was done", "How"], rows)]
    if story.rescanned is not None:
        blocks += _looked_again(story.rescanned)
    if story.copies is not None:
        blocks += _copied(story.copies)
    if declared := _declared(story):
        text = f"{declared} images declare themselves that text is burned into their pixels."
        blocks.append(Callout("warn", text))
    return [*blocks, Callout("note", LINKAGE)]


def privacy_rows(story: Story) -> list[tuple[str, str, str]]:
    """One row a way in which data could name someone."""
    secret = str(story.resolved("deidentify.secret") or "as the recipe says")
    options = story.recipe.deidentify
    rows = [
        ("patient, study and institution", "replaced by keyed pseudonyms", f"key: {secret}"),
        ("file names", "see source in the manifest", _paths(story)),
        ("other header fields", "left out", "only technical facts are kept"),
        ("columns of tables", "left out", "only the chosen ones are kept"),
    ]
    if not options.on:
        rows += [
            ("names, dates and numbers in texts", "NOT CHECKED", "deidentify.on is false"),
            ("times and ages", "kept as they are", "deidentify.on is false"),
            ("text burned into pixels", "NOT CHECKED", f"{_risky(story)} of kinds that have it"),
        ]
        return [*rows, ("faces in head scans", "NOT CHECKED", "")]
    engine = story.rescanned.engine if story.rescanned is not None else options.text
    dates = {
        "shift": ("shifted", f"by up to {options.shift_days} days, one shift a subject"),
        "keep": ("kept as they are", "as the recipe says"),
        "drop": ("left out", "as the recipe says"),
    }
    pixels = {
        "off": ("NOT CHECKED", f"{_risky(story)} of kinds that often have it"),
        "flag": ("looked for and noted", "the pixels stay as they are"),
        "blank": ("looked for and painted over", ""),
        "quarantine": ("looked for and left out", ""),
        "auto": ("looked for", "painted over where the file declares it, else noted"),
    }
    texts = ("taken out", f"by {engine}") if engine != "off" else ("NOT CHECKED", "off")
    return [
        *rows,
        ("names, dates and numbers in texts", *texts),
        ("times", *dates[options.dates]),
        ("ages above 89 years", "written as 90", ""),
        ("text burned into pixels", *pixels[options.burned_in]),
        ("faces in head scans", "NOT CHECKED", ""),
    ]


def _looked_again(rescanned: Rescan) -> list[Block]:
    """What was searched in the finished dataset, and what nobody looked for."""
    rows: list[list[Cell]] = []
    for look in rescanned.looks:
        found = ", ".join(f"{count} × {what}" for what, count in look.found.most_common(6))
        rows.append([look.what, look.looked, look.of, found or "nothing"])
    caption = (
        "The finished dataset, looked through once more. Searched was also for each of the "
        f"{rescanned.known} identifiers that were seen while reading."
    )
    blocks: list[Block] = [Table(["Of", "Looked at", "There are", "Found"], rows, caption)]
    if leaks := rescanned.identifiers:
        samples = [name for look in rescanned.looks for name in look.samples][:5]
        text = f"{leaks} samples hold an identifier that was seen while reading, such as "
        blocks.append(Callout("warn", text + ", ".join(samples) + "."))
    elif rescanned.known:
        blocks.append(Callout("good", "No identifier that was seen while reading is in it."))
    if rescanned.unchecked:
        said = "\n\n".join(rescanned.unchecked)
        blocks.append(Callout("note", f"Not checked:\n\n{said}"))
    return blocks


def _copied(copies: Copies) -> list[Block]:
    text = f"{copies.written} de-identified copies of DICOM files lie in dataset/dicom."
    refused = "; ".join(f"{count} × {reason}" for reason, count in copies.refused.most_common(5))
    return [Callout("note", f"{text} Not copied: {refused}." if refused else text)]


def _risky(story: Story) -> int:
    at_risk = ", ".join(f"'{name}'" for name in AT_RISK)
    count: int = story.ledger.one(
        f"SELECT COUNT(*) FROM items WHERE {KEPT} AND kind IN ('image', 'video') "  # noqa: S608
        f"AND modality IN ({at_risk})"
    )
    return count


def _declared(story: Story) -> int:
    count: int = story.ledger.one(
        f"SELECT COUNT(*) FROM items WHERE {KEPT} AND EXISTS (SELECT 1 FROM json_each(notes) "  # noqa: S608
        "WHERE value = 'burned-in annotation declared')"
    )
    return count


def _paths(story: Story) -> str:
    names = [
        f"sources.{name}.deidentify.source_paths" if name else "deidentify.source_paths"
        for name in story.recipe.blocks()
    ]
    values = {str(story.resolved(name)) for name in names}
    if len(values) > 1:
        return "kept where the source is public, else hashed with the key"
    told = {"keep": "kept: the source is public", "hash": "hashed with the key"}
    return told.get(values.pop(), "as the recipe says")
