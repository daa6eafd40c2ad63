"""Options of SimCLR. Torch-free."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from medfm_cli.commands.pretrain.objectives.options.base import ExtraParameters
from medfm_cli.commands.pretrain.objectives.options.contrastive import (
    ContrastiveHead,
    ContrastiveOptions,
)


class SimclrOptions(ContrastiveOptions):
    """SimCLR (Chen et al. 2020): match the other view of a sample among all views of the batch."""

    name: Literal["simclr"] = "simclr"
    implementation: ClassVar[str] = "medfm_cli.commands.pretrain.objectives.simclr:Simclr"
    temperature: float = Field(
        0.1, gt=0, description="Divides the cosines: small values attend to the hardest negatives."
    )
    head: ContrastiveHead = Field(
        ContrastiveHead(), description="Projection head, discarded after pretraining."
    )

    def extra_parameters(self, encoder: int, *, dim: int, patch: int) -> ExtraParameters:
        """The head."""
        del encoder, patch
        return ExtraParameters(self.head.count(dim))
