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

    The rate does not shrink with the batch: labelled data are few, batches small, and the linear
    rule would leave such runs at the start.
    """

    learning_rate: float | Auto = Field(
        1e-3, description="Peak learning rate; auto: base_learning_rate × batch / 256."
    )
    base_learning_rate: float = Field(
        1e-3, gt=0, description="Learning rate for a batch of 256, where learning_rate is auto."
    )
    betas: list[float] = Field(
        [0.9, 0.999], min_length=2, max_length=2, description="Decay of the two moments."
    )
    clip: float | None = Field(
        1.0, gt=0, description="Largest norm of the gradient; longer ones are shortened to it."
    )


class FinetuneRecipe(TrainingKeys, Recipe):
    """Teach an encoder to classify images.

    The training split is learnt from, the validation split picks the epoch and the operating
    points, and the test split is only scored.
    """

    multi_process: ClassVar[bool] = True

    data: str = Field(description="Dataset with one label an image: a folder or a run directory.")
    model: str = Field(
        description="Encoder to start from: a model folder, a run directory, or 'random'."
    )
    like: str | None = Field(
        None, description="With model random: the model whose architecture and input are taken."
    )
    backbone: BackboneSpec | None = Field(
        None, description="With model random: the architecture, where no `like` gives it."
    )
    mode: Literal["probe", "full"] = Field(
        "probe", description="probe: a linear head on frozen features; full: train all weights."
    )
    image_size: Annotated[int, Field(ge=8)] | Auto = Field(
        "auto", description="Side of the input in pixels; auto: what the encoder has."
    )
    class_weights: ClassWeights = Field(
        "auto",
        description="balanced: every class counts alike in the loss; auto: balanced from 2 : 1 on.",
    )
    probe: ProbeKeys = Field(ProbeKeys(), description="The probe of mode probe.")
    epochs: float = Field(50.0, gt=0, description="Passes over the images, in mode full.")
    optimiser: FinetuneOptimiser = Field(
        FinetuneOptimiser(), description="How gradients become updates, in mode full."
    )
    augment: ImageViews = Field(
        ImageViews(crop=[0.6, 1.0], brightness=0.1, contrast=0.1),
        description="Random views of the training images, in mode full.",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Part of the target spread over all classes, in mode full."
    )
    layer_decay: float = Field(
        0.75,
        gt=0,
        le=1,
        description="Factor on the learning rate from each block to the one below, in mode full; "
        "1: all alike. Random weights always learn at one rate.",
    )
    intended_use: str = Field("", description="What the model is for, as its card will say.")
    bootstrap: int = Field(1000, ge=100, description="Draws of subjects behind every interval.")

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
