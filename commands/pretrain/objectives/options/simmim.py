"""Options of SimMIM. Torch-free."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from medfm_cli.commands.pretrain.objectives.options.base import (
    ExtraParameters,
    ObjectiveOptions,
    count_layers,
)
from medfm_cli.recipe import Auto

Side = Annotated[int, Field(ge=1)]


class SimMimOptions(ObjectiveOptions):
    """SimMIM (Xie et al. 2022): mask large blocks, encode everything, predict with one layer."""

    name: Literal["simmim"] = "simmim"
    implementation: ClassVar[str] = "medfm_cli.commands.pretrain.objectives.simmim:SimMim"
    mask_ratio: float = Field(0.6, gt=0, lt=1, description="Share of masked blocks.")
    mask_patch: Side | list[Side] | Auto = Field(
        "auto",
        description="Side of a masked block, one for all axes or one each, in "
        "multiples of the patch; auto: two patches (the paper's 32 pixels at patch 16).",
    )

    def extra_parameters(self, encoder: int, *, dim: int, patch: int) -> ExtraParameters:
        """A token, and one layer to the patch."""
        del encoder
        return ExtraParameters(dim + count_layers(dim, patch))
