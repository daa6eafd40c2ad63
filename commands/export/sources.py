"""Every source file behind a model, by its sha256."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medfm_cli.data.manifest import source_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medfm_cli.data import Dataset
    from medfm_cli.models.lineage import Lineage

SHOWN = 12
"""Hex digits of a dataset's version in sources.txt."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The list of source files, and what it lacks.

    Attributes:
        text: one line per file: its sha256 and the version of its dataset, sorted.
        count: number of lines.
        gaps: datasets of the lineage whose files could not be listed, each with the reason.
    """

    text: str
    count: int
    gaps: list[str]


def list_sources(lineage: Lineage, datasets: Sequence[Dataset]) -> Sources:
    """List the files of every dataset of the lineage that is available.

    The list of a dataset is checked against the digest that was recorded when it was curated.
    """
    available = {dataset.version: dataset for dataset in datasets}
    lines: set[str] = set()
    gaps = [] if lineage.datasets else ["the model's lineage has no dataset"]
    for origin in lineage.datasets:
        if origin.version not in available:
            gaps.append(f"{origin.name}: the dataset is not named in the recipe")
            continue
        hashes = _hashes(available[origin.version])
        if source_digest(hashes) != origin.source_digest:
            gaps.append(f"{origin.name}: its manifest does not list all {origin.source_count}")
        lines |= {f"{item}  {origin.version[:SHOWN]}" for item in hashes}
    text = "".join(f"{line}\n" for line in sorted(lines))
    return Sources(text, len(lines), gaps)


def _hashes(dataset: Dataset) -> set[str]:
    """The sha256 of every file of the dataset and its quarantine."""
    columns = (dataset.samples.column("source_sha256"), dataset.quarantine.column("source_sha256"))
    return {value for column in columns for value in column.unique().to_pylist() if value}
