"""The report of a curation, chapter by chapter.

What came in and what is left → samples of every kind → labels and split → copies → contamination →
clients → what it is made of → whose it is → what was decided.
"""

from __future__ import annotations

from medfm_cli.commands.curate.counts import Account
from medfm_cli.commands.curate.instructions.step import InstructionSummary
from medfm_cli.commands.curate.report.composition import composition_blocks
from medfm_cli.commands.curate.report.context import Story
from medfm_cli.commands.curate.report.duplicates import copy_blocks
from medfm_cli.commands.curate.report.funnel import book_blocks
from medfm_cli.commands.curate.report.images import picture_sheets
from medfm_cli.commands.curate.report.labels import label_blocks
from medfm_cli.commands.curate.report.privacy import privacy_blocks
from medfm_cli.commands.curate.report.samples import drawn_kinds
from medfm_cli.commands.curate.report.texts import attached_blocks, table_blocks, text_blocks
from medfm_cli.commands.curate.split.client_summary import Partitioned
from medfm_cli.commands.curate.written import Stored
from medfm_cli.data.card import DatasetCard
from medfm_cli.data.manifest import SPLITS
from medfm_cli.runs import Callout, Section, Table
from medfm_cli.runs.blocks import Block, Cell

__all__ = ["Story", "headline", "sections", "summary"]


def headline(account: Account, card: DatasetCard) -> str:
    """One sentence."""
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


def summary(account: Account, card: DatasetCard) -> Table:
    """The table at the end of the command."""
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


def sections(story: Story) -> list[Section]:
    """The whole report."""
    chapters: list[tuple[str, list[Block]]] = [
        ("What came in, what is left", book_blocks(story)),
        *_samples(story),
        ("Labels and split", label_blocks(story)),
        (_twice(story), copy_blocks(story)),
        *((title, list(blocks)) for title, blocks in story.more.items()),
        ("Questions made from labels", _told(story.instructed)),
        ("Clients of the federation", _told(story.partitioned)),
        ("What it is made of", composition_blocks(story.description, story.run)),
        (f"Whose {story.noun} they are", privacy_blocks(story)),
        ("What was decided", _decisions(story)),
    ]
    return [Section(title, blocks) for title, blocks in chapters if blocks]


def _samples(story: Story) -> list[tuple[str, list[Block]]]:
    """Sheets of every kind that there is."""
    describe = story.option("describe")
    if describe is not None and not describe.sheets:
        return []
    ledger, run, kinds = story.ledger, story.run, story.card.counts.kinds
    show = story.public or (describe is not None and describe.show_text)
    stored = Stored(run.path("dataset"))
    chapters: list[tuple[str, list[Block]]] = []
    if "image" in kinds:
        classes, blocks = story.card.label_schema.classes, list(story.recipe.blocks())
        sheets = picture_sheets(ledger, stored, classes, blocks, run)
        chapters.append(("The images", sheets))
    chapters += [(title, blocks) for _, title, blocks in drawn_kinds(ledger, stored, run)]
    if "text" in kinds:
        chapters.append(("The texts", text_blocks(ledger, stored, show=show)))
    if "table" in kinds:
        chapters.append(("The tables", table_blocks(ledger, stored)))
    chapters.append(("Reports and questions", attached_blocks(ledger, show=show)))
    return chapters


def _told(result: InstructionSummary | Partitioned | None) -> list[Block]:
    """What an optional step says of itself."""
    if result is None:
        return []
    return [*result.tables(), *(Callout("note", text) for text in result.remarks())]


def _twice(story: Story) -> str:
    return "The same picture twice" if story.noun == "images" else "The same twice"


def _decisions(story: Story) -> list[Block]:
    rows: list[list[Cell]] = [
        [key, "none" if said["value"] is None else str(said["value"]), said["why"]]
        for key, said in story.run.resolved.items()
    ]
    return [Table(["Key", "Value", "Why"], rows)] if rows else []
