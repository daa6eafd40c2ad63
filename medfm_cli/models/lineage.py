"""The lineage of a model: its runs and datasets, from the source files on. Needs no torch.

Every model directory stores its complete lineage, so that a copy of a model still has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from medfm_cli.recipe import Part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from medfm_cli.data.card import DatasetCard
    from medfm_cli.runs import Run


class DatasetOrigin(Part):
    """A dataset of the lineage, and the files it was curated from."""

    name: str
    version: str = Field(description="sha256 of its content")
    source_count: int = Field(description="number of source files")
    source_digest: str = Field(description="sha256 over their sorted sha256s, one per line")
    recipe: str = Field("", description="hash of the recipe that curated it")


class SeenImages(Part):
    """Images that a run trained or selected on, so that an evaluation can detect an overlap."""

    dataset: str = Field(description="version of the dataset")
    splits: list[str] = Field(description="the splits that were used")
    labels: bool = Field(description="whether their labels were used, or the pixels only")
    count: int = Field(description="number of images")
    images: str | None = Field(
        None,
        description="first digits of their ids (hashes of pixels), separated by blanks; "
        "null if there are too many",
    )


class Step(Part):
    """One run: its recipe, inputs and output."""

    verb: str
    recipe: str = Field(description="name of the recipe")
    run: str = Field(description="hash of the recipe and the content it names")
    inputs: dict[str, str] = Field({}, description="content hashes by the recipe's key")
    seen: list[SeenImages] = Field([], description="the images that the weights depend on")
    output: str = Field("", description="sha256 of the weights it wrote")
    medfm: str = ""
    versions: dict[str, str] = Field({}, description="of the packages that can affect results")


class Lineage(Part):
    """Datasets and runs, each once, oldest first."""

    datasets: list[DatasetOrigin] = Field([], description="all that were trained or selected on")
    steps: list[Step] = Field([], description="the runs, in chronological order")

    def ended_by(self, output: str) -> Lineage:
        """The lineage with the output of its last step set."""
        if not self.steps:
            return self
        last = self.steps[-1].model_copy(update={"output": output})
        return self.model_copy(update={"steps": [*self.steps[:-1], last]})


def extend(
    run: Run,
    *,
    inputs: Mapping[str, str],
    datasets: Sequence[DatasetCard] = (),
    parents: Sequence[Lineage] = (),
    seen: Sequence[SeenImages] = (),
) -> Lineage:
    """The lineage of the output of `run`: its parent models, its datasets, and the run itself.

    Args:
        run: the current run.
        inputs: `inputs(recipe)` of the verb's plan.py.
        datasets: cards of the datasets it reads.
        parents: `config.lineage` of the models it starts from.
        seen: the images that its weights depend on, if they are listed.
    """
    from medfm_cli.runs.environment import versions
    from medfm_cli.version import __version__

    step = Step(
        verb=run.verb,
        recipe=run.name,
        run=run.hash,
        inputs=dict(inputs),
        seen=list(seen),
        medfm=__version__,
        versions=versions(),
    )
    origins = [origin for parent in parents for origin in parent.datasets]
    origins += [_origin(card) for card in datasets]
    steps = [*(earlier for parent in parents for earlier in parent.steps), step]
    return Lineage(
        datasets=list({origin.version: origin for origin in origins}.values()),
        steps=list({item.run: item for item in steps}.values()),
    )


def _origin(card: DatasetCard) -> DatasetOrigin:
    return DatasetOrigin(
        name=card.name,
        version=card.version,
        source_count=card.lineage.source_count,
        source_digest=card.lineage.source_digest,
        recipe=card.lineage.recipe,
    )
