"""Privacy: what could identify someone, what was done about it, and what was not checked."""

from __future__ import annotations

from medfm_cli.commands.curate.catalog import KEPT
from medfm_cli.commands.curate.deidentify.dicom.copies import Copies
from medfm_cli.commands.curate.deidentify.rescan import Rescan
from medfm_cli.commands.curate.report.context import ReportContext
from medfm_cli.runs import Callout, Table
from medfm_cli.runs.blocks import Block, Cell

AT_RISK = ("US", "Endoscopy", "XR", "Photography", "")
"""Modalities whose images often have burned-in text."""
LINKAGE = (
    "linkage.parquet in the run directory links samples to the original files. It is private and "
    "not part of the dataset."
)


def privacy_blocks(context: ReportContext) -> list[Block]:
    """What could identify someone, what was done about it, and what was not checked."""
    rows = [[what, done, how] for what, done, how in privacy_rows(context)]
    blocks: list[Block] = [Table(["Possible identifier", "Action", "Details"], rows)]
    if context.rescanned is not None:
        blocks += _rescan_blocks(context.rescanned)
    if context.copies is not None:
        blocks += _copies_blocks(context.copies)
    if declared := _declared(context):
        text = f"The header of {declared} images declares text that is burned into the pixels."
        blocks.append(Callout("warn", text))
    return [*blocks, Callout("note", LINKAGE)]


def privacy_rows(context: ReportContext) -> list[tuple[str, str, str]]:
    """Possible identifier, action and details, one row each."""
    secret = str(context.resolved("deidentify.secret") or "as configured")
    options = context.recipe.deidentify
    rows = [
        ("patient, study and institution", "replaced by keyed pseudonyms", f"key: {secret}"),
        ("file names", "column source of the manifest", _paths(context)),
        ("other header fields", "removed", "only technical attributes are kept"),
        ("table columns", "removed", "only those named in the recipe are kept"),
    ]
    if not options.on:
        rows += [
            ("names, dates and numbers in texts", "NOT CHECKED", "deidentify.on is false"),
            ("times and ages", "kept unchanged", "deidentify.on is false"),
            (
                "text burned into pixels",
                "NOT CHECKED",
                f"{_risky(context)} images and videos of modalities that often have it",
            ),
        ]
        return [*rows, ("faces in head scans", "NOT CHECKED", "")]
    engine = context.rescanned.engine if context.rescanned is not None else options.text
    dates = {
        "shift": ("shifted", f"by up to {options.shift_days} days, one shift a subject"),
        "keep": ("kept unchanged", "as configured"),
        "drop": ("removed", "as configured"),
    }
    pixels = {
        "off": (
            "NOT CHECKED",
            f"{_risky(context)} images and videos of modalities that often have it",
        ),
        "flag": ("detected and noted", "pixels are unchanged"),
        "blank": ("detected and masked", ""),
        "quarantine": ("detected; the samples are quarantined", ""),
        "auto": ("detected", "masked where the file declares it, else noted"),
    }
    texts = ("removed", f"by {engine}") if engine != "off" else ("NOT CHECKED", "off")
    return [
        *rows,
        ("names, dates and numbers in texts", *texts),
        ("times", *dates[options.dates]),
        ("ages above 89 years", "stored as 90", ""),
        ("text burned into pixels", *pixels[options.burned_in]),
        ("faces in head scans", "NOT CHECKED", ""),
    ]


def _rescan_blocks(rescanned: Rescan) -> list[Block]:
    """The check of the written dataset: what it searched, what it found, what it cannot find."""
    rows: list[list[Cell]] = []
    for look in rescanned.looks:
        findings = ", ".join(f"{count} × {what}" for what, count in look.found.most_common(6))
        rows.append([look.what, look.looked, look.of, findings or "nothing"])
    caption = (
        "Check of the written dataset. It is also searched for each of the "
        f"{rescanned.known} identifiers that occurred during reading."
    )
    blocks: list[Block] = [Table(["Content", "Checked", "Total", "Found"], rows, caption)]
    if leaks := rescanned.identifiers:
        samples = [name for look in rescanned.looks for name in look.samples][:5]
        text = f"{leaks} samples contain an identifier that occurred during reading, such as "
        blocks.append(Callout("warn", text + ", ".join(samples) + "."))
    elif rescanned.known:
        blocks.append(
            Callout("good", "No identifier that occurred during reading is in the dataset.")
        )
    if rescanned.unchecked:
        lines = "\n\n".join(rescanned.unchecked)
        blocks.append(Callout("note", f"Not checked:\n\n{lines}"))
    return blocks


def _copies_blocks(copies: Copies) -> list[Block]:
    text = f"{copies.written} de-identified copies of DICOM files are in dataset/dicom."
    refused = "; ".join(f"{count} × {reason}" for reason, count in copies.refused.most_common(5))
    return [Callout("note", f"{text} Not copied: {refused}." if refused else text)]


def _risky(context: ReportContext) -> int:
    at_risk = ", ".join(f"'{name}'" for name in AT_RISK)
    count: int = context.catalog.one(
        f"SELECT COUNT(*) FROM items WHERE {KEPT} AND kind IN ('image', 'video') "  # noqa: S608
        f"AND modality IN ({at_risk})"
    )
    return count


def _declared(context: ReportContext) -> int:
    count: int = context.catalog.one(
        f"SELECT COUNT(*) FROM items WHERE {KEPT} AND EXISTS (SELECT 1 FROM json_each(notes) "  # noqa: S608
        "WHERE value = 'burned-in annotation declared')"
    )
    return count


def _paths(context: ReportContext) -> str:
    names = [
        f"sources.{name}.deidentify.source_paths" if name else "deidentify.source_paths"
        for name in context.recipe.blocks()
    ]
    values = {str(context.resolved(name)) for name in names}
    if len(values) > 1:
        return "kept where the source is public, else hashed with the key"
    texts = {"keep": "kept: the source is public", "hash": "hashed with the key"}
    return texts.get(values.pop(), "as configured")
