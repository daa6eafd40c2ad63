"""The report of a curation: the only door of this folder for the engine.

Counts by step → samples of every kind → labels and split → duplicates → contamination → questions
→ clients → distribution → privacy → resolved settings.
"""

from __future__ import annotations

from medfm_cli.commands.curate.counts import CurationCounts
from medfm_cli.commands.curate.instructions.step import InstructionSummary
from medfm_cli.commands.curate.report.composition import composition_blocks
from medfm_cli.commands.curate.report.contamination import contamination_blocks
from medfm_cli.commands.curate.report.context import ReportContext
from medfm_cli.commands.curate.report.datasheet import responsible_use, write_datasheet
from medfm_cli.commands.curate.report.duplicates import duplicate_blocks
from medfm_cli.commands.curate.report.funnel import funnel_blocks
from medfm_cli.commands.curate.report.images import image_sheets
from medfm_cli.commands.curate.report.labels import label_blocks
from medfm_cli.commands.curate.report.privacy import privacy_blocks
from medfm_cli.commands.curate.report.samples import drawn_kinds
from medfm_cli.commands.curate.report.texts import attached_blocks, table_blocks, text_blocks
from medfm_cli.commands.curate.split.client_summary import Partitioned
from medfm_cli.commands.curate.written import WrittenSamples
from medfm_cli.data.card import DatasetCard
from medfm_cli.data.manifest import SPLITS
from medfm_cli.runs import Callout, Section, Table
from medfm_cli.runs.blocks import Block, Cell

__all__ = [
    "ReportContext",
    "contamination_blocks",
    "headline",
    "responsible_use",
    "sections",
    "summary",
    "write_datasheet",
]


def headline(account: CurationCounts, card: DatasetCard) -> str:
    """The result in one sentence."""
    counts = account.counts()
    noun = "images" if set(card.counts.kinds) == {"image"} else "samples"
    classes = len(card.label_schema.classes)
    of = f" in {classes} classes" if classes else ""
    parts = ""
    if card.counts.samples != counts["kept"]:
        parts = f" as {card.counts.samples} {'samples' if noun == 'images' else 'records'}"
    return (
        f"{counts['kept']} {noun}{parts} of {counts['subjects']} subjects{of}, "
        f"out of {counts['files']} files"
    )


def summary(account: CurationCounts, card: DatasetCard) -> Table:
    """The table that the command prints at its end."""
    counts = account.counts()
    noun = "images" if set(card.counts.kinds) == {"image"} else "samples"
    rows: list[list[Cell]] = [
        ["files", counts["files"]],
        [f"{noun} read", counts["read"]],
        ["quarantined", counts["quarantined"]],
        ["duplicates", counts["duplicates"]],
        [f"{noun} kept", counts["kept"]],
        ["samples written", card.counts.samples],
        ["subjects", counts["subjects"]],
        [f"labelled {noun}", counts["labelled"]],
    ]
    if len(card.counts.kinds) > 1:
        rows += [[f"of kind {kind}", count] for kind, count in card.counts.kinds.items()]
    splits = card.counts.splits
    rows += [[split, splits[split].samples] for split in SPLITS if split in splits]
    return Table(["Curated", "Count"], rows)


def sections(context: ReportContext) -> list[Section]:
    """The whole report."""
    chapters: list[tuple[str, list[Block]]] = [
        ("Counts by step", funnel_blocks(context)),
        *_samples(context),
        ("Labels and split", label_blocks(context)),
        ("Duplicates", duplicate_blocks(context)),
        *((title, list(blocks)) for title, blocks in context.more.items()),
        ("Questions generated from labels", _summarised(context.instructed)),
        ("Federated clients", _summarised(context.partitioned)),
        ("Distribution of the dataset", composition_blocks(context.description, context.run)),
        ("Privacy", privacy_blocks(context)),
        ("Resolved settings", _resolved_settings(context)),
    ]
    return [Section(title, blocks) for title, blocks in chapters if blocks]


def _samples(context: ReportContext) -> list[tuple[str, list[Block]]]:
    """One section for every kind of sample in the dataset."""
    describe = context.option("describe")
    if describe is not None and not describe.sheets:
        return []
    catalog, run, kinds = context.catalog, context.run, context.card.counts.kinds
    show = context.public or (describe is not None and describe.show_text)
    stored = WrittenSamples(run.path("dataset"))
    chapters: list[tuple[str, list[Block]]] = []
    if "image" in kinds:
        classes, blocks = context.card.label_schema.classes, list(context.recipe.blocks())
        sheets = image_sheets(catalog, stored, classes, blocks, run)
        chapters.append(("Images", sheets))
    chapters += [(title, blocks) for _, title, blocks in drawn_kinds(catalog, stored, run)]
    if "text" in kinds:
        chapters.append(("Texts", text_blocks(catalog, stored, show=show)))
    if "table" in kinds:
        chapters.append(("Tables", table_blocks(catalog, stored)))
    chapters.append(("Reports and questions", attached_blocks(catalog, show=show)))
    return chapters


def _summarised(result: InstructionSummary | Partitioned | None) -> list[Block]:
    """Tables and remarks of an optional step."""
    if result is None:
        return []
    return [*result.tables(), *(Callout("note", text) for text in result.remarks())]


def _resolved_settings(context: ReportContext) -> list[Block]:
    rows: list[list[Cell]] = [
        [key, "none" if choice["value"] is None else str(choice["value"]), choice["why"]]
        for key, choice in context.run.resolved.items()
        if key not in context.recipe.execution_only_keys
    ]
    return [Table(["Key", "Value", "Reason"], rows)] if rows else []
