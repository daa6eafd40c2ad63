"""Options of MoCo v3. Torch-free."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from medfm_cli.commands.pretrain.objectives.options.base import ExtraParameters
from medfm_cli.commands.pretrain.objectives.options.contrastive import (
    ContrastiveHead,
    ContrastiveOptions,
)


class Mocov3Options(ContrastiveOptions):
    """MoCo v3 (Chen et al. 2021): match views of a sample with a momentum teacher."""

    name: Literal["mocov3"] = "mocov3"
    implementation: ClassVar[str] = "medfm_cli.commands.pretrain.objectives.mocov3:Mocov3"
    temperature: float = Field(
        0.2, gt=0, description="Divides the cosines: small values attend to the hardest negatives."
    )
    momentum: float = Field(
        0.99, ge=0, le=1, description="Initial EMA momentum of the teacher; 1 at the end."
    )
    freeze_patches: bool = Field(
        True,
        description="Freeze the random patch projection of a transformer, for stable training.",
    )
    head: ContrastiveHead = Field(
        ContrastiveHead(hidden=4096, out=256, layers=3),
        description="Projection head, discarded after pretraining.",
    )

    def extra_parameters(self, encoder: int, *, dim: int, patch: int) -> ExtraParameters:
        """Projection and prediction; the frozen teacher's encoder and projection."""
        del patch
        project = self.head.count(dim)
        return ExtraParameters(
            project + self.head.count(self.head.out, layers=2), encoder + project
        )
