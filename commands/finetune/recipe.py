"""The recipe of `medfm finetune`. Imports no torch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from medfm_cli.models.spec import BackboneSpec
from medfm_cli.recipe import Auto, Recipe
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

    multi_process: ClassVar[bool] = True

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
