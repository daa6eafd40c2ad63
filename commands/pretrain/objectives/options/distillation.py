"""Options that the self-distilling objectives share. Torch-free."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from medfm_cli.commands.pretrain.objectives.options.base import (
    ExtraParameters,
    ObjectiveOptions,
    count_layers,
)
from medfm_cli.recipe import Auto, Part


def _ordered(value: list[float]) -> list[float]:
    if value[0] > value[1]:
        raise ValueError(f"must be smallest ≤ largest, not {value}")
    return value


Share = Annotated[float, Field(gt=0, le=1)]
Shares = Annotated[list[Share], Field(min_length=2, max_length=2), AfterValidator(_ordered)]
Temperature = Annotated[float, Field(gt=0)]


LOCAL_PART = 96 / 224
"""Side of a small crop over that of a large one: DINO's sizes."""


class Crops(Part):
    """Two large crops of every image, seen by teacher and student, and small ones for the student.

    Their areas are set here and not in `augment.crop`; the rest of `augment` applies to all crops.
    """

    global_area: Shares = Field(
        [0.4, 1.0], description="Smallest and largest share of the area in the two large crops."
    )
    local_area: Shares = Field(
        [0.05, 0.4], description="Smallest and largest share of the area in the small crops."
    )
    local_count: int = Field(8, ge=0, description="Small crops of every image.")
    local_size: Annotated[int, Field(ge=4)] | Auto = Field(
        "auto",
        description="Side of the small crops in pixels, whole patches; auto: 96/224 of the large.",
    )


class Head(Part):
    """The network between features and prototypes; discarded after pretraining."""

    layers: int = Field(3, ge=1, description="Linear layers before the prototypes.")
    hidden: int = Field(256, ge=1, description="Width of the layers between.")
    bottleneck: int = Field(64, ge=2, description="Width of the last layer, on the sphere.")
    prototypes: int = Field(1024, ge=2, description="Directions that the loss compares.")

    def count(self, dim: int) -> int:
        """Count the parameters from features of `dim` numbers on."""
        sizes = (dim, *[self.hidden] * (self.layers - 1), self.bottleneck)
        return count_layers(*sizes) + self.prototypes * self.bottleneck


class Distillation(ObjectiveOptions):
    """Options of a student that learns from its own moving average."""

    crops: Crops = Field(Crops(), description="The views of every image.")
    head: Head = Field(Head(), description="From features to prototypes.")
    momentum: float = Field(
        0.996, ge=0, le=1, description="Initial EMA momentum of the teacher; 1 at the end."
    )
    student_temperature: Temperature = Field(0.1, description="Temperature of the student.")
    teacher_temperature: Annotated[list[Temperature], Field(min_length=2, max_length=2)] = Field(
        [0.04, 0.07], description="Temperature of the teacher, before and after its warm-up."
    )
    temperature_warmup: float = Field(
        0.1, ge=0, le=1, description="Share of the steps in which that temperature changes."
    )
    centre_momentum: float = Field(
        0.9, ge=0, lt=1, description="EMA momentum of the centre of the teacher's logits."
    )
    freeze_epochs: float = Field(
        1.0, ge=0, description="Epochs in which the prototypes are frozen."
    )

    def activations(self, width: int) -> float:
        """Numbers kept for the gradient, a patch of a sample: of two large and n small crops."""
        return (2 + self.crops.local_count * LOCAL_PART**2) * width

    def extra_parameters(self, encoder: int, *, dim: int, patch: int) -> ExtraParameters:
        """The head; the frozen teacher."""
        del patch
        head = self.head.count(dim)
        return ExtraParameters(head, encoder + head)
