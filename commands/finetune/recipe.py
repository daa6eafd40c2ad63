"""The recipe of `medfm finetune`. Imports no torch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.recipe import Auto, Plan, Recipe
from medfm_cli.training.augmentations import ImageViews
from medfm_cli.training.options import Optimiser, TrainingKeys
from medfm_cli.training.probing import ClassWeights, ProbeKeys

RANDOM = "random"


class FinetuneOptimiser(Optimiser):
    """AdamW with the betas that MAE uses for fine-tuning (He et al. 2022, appendix A.1).

    The learning rate does not scale with the batch: labelled datasets and batches are small, and
    with the linear rule such runs would hardly train.
    """

    learning_rate: float | Auto = Field(
        1e-3, description="Peak learning rate; auto: base_learning_rate × batch / 256."
    )
    base_learning_rate: float = Field(
        1e-3, gt=0, description="Learning rate for a batch of 256, if learning_rate is auto."
    )
    betas: list[float] = Field(
        [0.9, 0.999],
        min_length=2,
        max_length=2,
        description="AdamW's decay rates of the two moments.",
    )
    clip: float | None = Field(1.0, gt=0, description="Gradients are clipped to this norm.")


class FinetuneRecipe(TrainingKeys, Recipe):
    """Train a classifier of images from an encoder.

    The training split fits the weights, the validation split selects the epoch and the operating
    points, and the test split is only scored.
    """

    distributed: ClassVar[bool] = True

    data: str = Field(description="Dataset with one label per image: a folder or a run directory.")
    model: str = Field(description="Initial encoder: a model folder, a run directory, or 'random'.")
    like: str | None = Field(
        None, description="With model random: the model whose architecture and input are used."
    )
    backbone: BackboneSpec | None = Field(
        None, description="With model random: the architecture, unless `like` gives it."
    )
    mode: Literal["probe", "full"] = Field(
        "probe", description="probe: a linear head on frozen features; full: train all weights."
    )
    image_size: Annotated[int, Field(ge=8)] | Auto = Field(
        "auto", description="Side of the input in pixels; auto: that of the encoder."
    )
    class_weights: ClassWeights = Field(
        "auto",
        description="balanced: all classes have the same weight in the loss; auto: balanced from a "
        "class ratio of 2 : 1.",
    )
    probe: ProbeKeys = Field(ProbeKeys(), description="The probe of mode probe.")
    epochs: float = Field(50.0, gt=0, description="Passes over the images, in mode full.")
    optimiser: FinetuneOptimiser = Field(
        FinetuneOptimiser(), description="The optimiser, in mode full."
    )
    augment: ImageViews = Field(
        ImageViews(crop=[0.6, 1.0], brightness=0.1, contrast=0.1),
        description="Random views of the training images, in mode full.",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Fraction of the target spread over all classes, in mode full."
    )
    layer_decay: float = Field(
        0.75,
        gt=0,
        le=1,
        description="Factor on the learning rate from each block to the one below, in mode full; "
        "1: the same rate for all blocks. Random weights always have the same rate.",
    )
    intended_use: str = Field("", description="The intended use, for the model card.")
    bootstrap: int = Field(
        1000, ge=100, description="Bootstrap draws of subjects for every interval."
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.model != RANDOM and (self.like or self.backbone):
            raise ValueError(
                "like and backbone describe random weights: use them with model: random, "
                "or remove them"
            )
        if self.like and self.backbone:
            raise ValueError("like and backbone both give the architecture: remove one of them")
        if self.backbone is not None and self.backbone.pretrained:
            raise ValueError("published weights are not random: remove backbone.pretrained")
        return self

    def inputs(self) -> dict[str, str]:
        """The content of the dataset and of the models."""
        from medfm_cli.data.card import read_card
        from medfm_cli.models.config import content_hash
        from medfm_cli.runs.artefacts import find

        found = {"data": read_card(find(self.data, "dataset")).version}
        if self.model != RANDOM:
            found["model"] = content_hash(find(self.model, "model"))
        if self.like is not None:
            found["like"] = content_hash(find(self.like, "model"))
        return found

    def plan(self) -> Plan:
        """What would be trained, from what, on what."""
        from medfm_cli.data.card import read_card
        from medfm_cli.runs.artefacts import find, holds

        what = "a linear probe on frozen features" if self.mode == "probe" else "all weights"
        if not holds(self.data, "dataset"):
            return Plan([f"train {what} on the labelled images (counted after curation)"])
        self._refuse_unsafe()
        counts = read_card(find(self.data, "dataset")).counts
        labels = ", ".join(f"{name} {count:,}" for name, count in counts.labels.items())
        lines = [
            f"train {what}, starting from {self.model}",
            f"data: {counts.images:,} images of {counts.subjects:,} subjects ({labels})",
        ]
        return Plan(lines, disk_bytes=200_000_000)

    def _refuse_unsafe(self) -> None:
        """Ask the rules of safety, where it is known what the network sees. Raises UsageError."""
        from medfm_cli.data.card import read_card
        from medfm_cli.models.config import read_config
        from medfm_cli.runs.artefacts import find, holds
        from medfm_cli.training.safety import known_of, refuse_unsafe

        model = self.like if self.model == RANDOM else self.model
        if self.mode == "probe" or (model is not None and not holds(model, "model")):
            return
        if model is not None:
            channels = read_config(find(model, "model"), takes="image").backbone.channels
        elif self.backbone is not None:
            channels = self.backbone.channels
        else:
            return  # told by the images, which are not looked at here
        card = read_card(find(self.data, "dataset"))
        known = known_of(card, Preprocessing(size=8, channels=channels), colour=channels == 3)
        refuse_unsafe(self.augment, known)
