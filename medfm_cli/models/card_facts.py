"""The facts of a model card, as stored in a model's config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from medfm_cli.recipe import Part

if TYPE_CHECKING:
    from medfm_cli.data.card import DatasetCard


class DataFacts(Part):
    """A dataset that a model was trained on, from the dataset's card."""

    use: str = Field("", description="what the data were used for: pretrain, finetune, eval")
    name: str = ""
    version: str = Field("", description="the dataset's content hash")
    samples: int | None = None
    images: int | None = None
    subjects: int | None = None
    splits: dict[str, int] = Field({}, description="samples by split")
    modalities: dict[str, int] = Field({}, description="samples by modality")
    labels: dict[str, int] = Field({}, description="samples by label")
    licences: list[str] = Field([], description="as the sources state them")
    consent: str = ""


class TrainingFacts(Part):
    """One training run: its verb, the hash of its recipe and its main settings."""

    verb: str
    recipe: str = Field("", description="name of the recipe")
    recipe_hash: str = ""
    facts: dict[str, str | int | float] = Field({}, description="steps, epochs, batch …")


class MetricFacts(Part):
    """One metric with its interval, sample size and protocol."""

    name: str
    value: float
    low: float | None = Field(None, description="lower end of the 95 % interval")
    high: float | None = Field(None, description="upper end of the 95 % interval")
    n: int | None = Field(None, description="number of images")
    subjects: int | None = Field(None, description="number of subjects")
    of: str = Field("", description="model or baseline that was scored")
    protocol: str = Field("", description="split and protocol of the evaluation")


class CardFacts(Part):
    """The content of the card, from run records. Every field may be missing."""

    intended_use: str = ""
    data: list[DataFacts] = Field([], description="in the order they were used")
    training: list[TrainingFacts] = Field([], description="in the order they were run")
    metrics: list[MetricFacts] = Field([], description="of the model and its baselines")
    limitations: list[str] = Field([], description="one sentence each")


def data_facts(card: DatasetCard, *, use: str) -> DataFacts:
    """The facts about a dataset, from the dataset's own card.

    Args:
        card: `Dataset.card`.
        use: what the data were used for: "pretrain", "finetune", "eval".
    """
    counts = card.counts
    return DataFacts(
        use=use,
        name=card.name,
        version=card.version,
        samples=counts.samples,
        images=counts.images,
        subjects=counts.subjects,
        splits={name: split.samples for name, split in counts.splits.items()},
        modalities=counts.modalities,
        labels=counts.labels,
        licences=card.licences,
        consent=card.consent,
    )
