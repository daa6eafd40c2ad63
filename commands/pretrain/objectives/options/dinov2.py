"""Options of DINOv2. Torch-free."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from medfm_cli.commands.pretrain.objectives.options.base import ExtraParameters
from medfm_cli.commands.pretrain.objectives.options.distillation import (
    Crops,
    Distillation,
    Shares,
)


class Dinov2Options(Distillation):
    """Self-distillation (Oquab et al. 2023): DINO, masked patches (iBOT) and KoLeo."""

    name: Literal["dinov2"] = "dinov2"
    implementation: ClassVar[str] = "medfm_cli.commands.pretrain.objectives.dinov2:Dinov2"
    crops: Crops = Field(
        Crops(global_area=[0.32, 1.0], local_area=[0.05, 0.32]),
        description="The views of every image.",
    )
    momentum: float = Field(
        0.992, ge=0, le=1, description="Initial EMA momentum of the teacher; 1 at the end."
    )
    mask_ratio: Shares = Field(
        [0.1, 0.5],
        description="Smallest and largest share of masked patches in one of the two large crops.",
    )
    patch_weight: float = Field(1.0, ge=0, description="Weight of the loss at masked patches.")
    shared_head: bool = Field(False, description="One head for images and patches, as in iBOT.")
    koleo_weight: float = Field(
        0.1, ge=0, description="Weight of the KoLeo loss, which spreads the features."
    )
    balance: Literal["sinkhorn", "centering"] = Field(
        "sinkhorn", description="Method that keeps the teacher from choosing one prototype for all."
    )
    sinkhorn_rounds: int = Field(3, ge=1, description="Rounds of Sinkhorn-Knopp.")

    def extra_parameters(self, encoder: int, *, dim: int, patch: int) -> ExtraParameters:
        """A head for images, one for patches, a token; the frozen teacher."""
        del patch
        heads = self.head.count(dim) * (1 if self.shared_head else 2)
        return ExtraParameters(heads + dim, encoder + heads)
