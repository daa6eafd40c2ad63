"""The data from which the report, the datasheet and croissant.json are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.counts import CurationCounts
from medfm_cli.commands.curate.deidentify.dicom.copies import Copies
from medfm_cli.commands.curate.deidentify.rescan import Rescan
from medfm_cli.commands.curate.describing.step import Description
from medfm_cli.commands.curate.duplicates.step import DuplicateSummary
from medfm_cli.commands.curate.instructions.step import InstructionSummary
from medfm_cli.commands.curate.metadata.file_metadata import SourceMetadata
from medfm_cli.commands.curate.reading.step import JoinSummary
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.split.client_summary import Partitioned
from medfm_cli.commands.curate.split.step import SplitResult
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
"""The steps that remove samples, in their order, with their names in the report."""


@dataclass(frozen=True)
class ReportContext:
    """The recipe and the results of a curation.

    Attributes:
        public: whether all sources are public, so that texts may be shown.
        instructed, partitioned: questions and clients, if the recipe derives them.
        rescanned: findings of the check of the written dataset.
        copies: de-identified copies of DICOM files.
        notes: metadata of each source from its tables, with the label rules and their counts.
        more: further sections, by title.
    """

    recipe: CurateRecipe
    account: CurationCounts
    card: DatasetCard
    run: Run
    joined: JoinSummary
    unique: DuplicateSummary
    dealt: SplitResult
    description: Description
    public: bool = False
    instructed: InstructionSummary | None = None
    partitioned: Partitioned | None = None
    rescanned: Rescan | None = None
    copies: Copies | None = None
    notes: Sequence[SourceMetadata] = ()
    more: Mapping[str, Sequence[Block]] = field(default_factory=dict)

    @property
    def catalog(self) -> Catalog:
        """The catalogue of all files and samples."""
        return self.account.catalog

    @property
    def noun(self) -> str:
        """`images` where every sample is one, else `samples`."""
        return "images" if set(self.card.counts.kinds) == {"image"} else "samples"

    def option(self, step: str) -> Any:
        """The options of a step, None if the recipe has none."""
        return getattr(self.recipe, step, None)

    def resolved(self, key: str) -> Any:
        """The resolved value of a key that was `auto`, else None."""
        return self.run.resolved.get(key, {}).get("value")
