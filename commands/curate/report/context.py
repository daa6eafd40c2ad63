"""Everything that the report, the datasheet and croissant.json tell of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medfm_cli.commands.curate.catalog import Ledger
from medfm_cli.commands.curate.counts import Account
from medfm_cli.commands.curate.deidentify.dicom.copies import Copies
from medfm_cli.commands.curate.deidentify.rescan import Rescan
from medfm_cli.commands.curate.describing.step import Description
from medfm_cli.commands.curate.duplicates.step import Unique
from medfm_cli.commands.curate.instructions.step import InstructionSummary
from medfm_cli.commands.curate.metadata.file_metadata import SourceMetadata
from medfm_cli.commands.curate.reading.step import JoinSummary
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.split.client_summary import Partitioned
from medfm_cli.commands.curate.split.step import Dealt
from medfm_cli.data.card import DatasetCard
from medfm_cli.runs import Run
from medfm_cli.runs.blocks import Block

STEPS = {
    "read": "reading",
    "quality": "quality",
    "deidentify": "de-identification",
    "labels": "labels",
    "withdrawn": "withdrawal",
    "duplicates": "deduplication",
    "contamination": "contamination",
}
"""The steps that leave samples out, in their order, and what they are called."""


@dataclass(frozen=True)
class Story:
    """What a curation did, and what came of it.

    Attributes:
        public: whether all sources are public, so that texts may be shown.
        instructed, partitioned: what was derived, where the recipe asks for it.
        rescanned: what looking again has shown.
        copies: de-identified copies of DICOM files.
        notes: what tables say, a source each; with the rules of labels and their counts.
        more: what further steps tell in chapters of their own, by title.
    """

    recipe: CurateRecipe
    account: Account
    card: DatasetCard
    run: Run
    joined: JoinSummary
    unique: Unique
    dealt: Dealt
    description: Description
    public: bool = False
    instructed: InstructionSummary | None = None
    partitioned: Partitioned | None = None
    rescanned: Rescan | None = None
    copies: Copies | None = None
    notes: Sequence[SourceMetadata] = ()
    more: Mapping[str, Sequence[Block]] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        """The books themselves."""
        return self.account.ledger

    @property
    def noun(self) -> str:
        """What the samples are called: images where they are nothing else."""
        return "images" if set(self.card.counts.kinds) == {"image"} else "samples"

    def option(self, step: str) -> Any:
        """A step's block of the recipe, None where the recipe has none."""
        return getattr(self.recipe, step, None)

    def resolved(self, key: str) -> Any:
        """What an `auto` of the recipe became, None where it was none."""
        return self.run.resolved.get(key, {}).get("value")
