"""The recipe block `backbone` of pretraining. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from medfm_cli.commands.pretrain.objectives import OBJECTIVES
from medfm_cli.models.spec import HUB, BackboneSpec
from medfm_cli.recipe import Auto

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.objectives.options.base import ObjectiveOptions as Objective
else:
    Objective = OBJECTIVES.union()


class BackboneChoice(BackboneSpec):
    """An encoder; `auto` takes the size of its input from the data."""

    image_size: Annotated[int, Field(ge=8, le=4096)] | Auto = Field(  # type: ignore[assignment]
        "auto",
        description="side of the square input in pixels; auto: that of the images, at most 224",
    )
    channels: Literal[1, 3, "auto"] = Field(  # type: ignore[assignment]
        "auto", description="1 for grey images, 3 for colour; auto: 3 if any image has colour"
    )
    patch_size: int | None = Field(
        None,
        ge=1,
        description="side of a patch in pixels; default: that of the preset, halved until there "
        "are 36 patches",
    )
    weights: str | None = Field(
        None,
        description="Initial weights: a .safetensors or .pth file, a model directory or run, "
        "or hf:OWNER/NAME (ViT, ViTMAE, DINOv2) from the local Hugging Face cache.",
    )
    coverage: float = Field(
        0.95,
        ge=0,
        le=1,
        description="Share of the encoder that `weights` must fill; less is an error.",
    )
    download: bool = Field(False, description="Download hf:OWNER/NAME if it is not in the cache.")
    patch_sides: list[Annotated[int, Field(ge=1)]] | None = Field(
        None,
        description="sides of a patch, except for images: depth, height, width; time; or mels, "
        "frames; default: chosen so that they divide the input",
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.preset is None:
            self._check_timm_options()
        elif self.image_size != "auto":
            self._check_preset_options()
        if self.weights is not None and self.pretrained:
            raise ValueError(
                "weights and pretrained both set the initial weights: give one of them"
            )
        if self.download and not (self.weights or "").startswith(HUB):
            raise ValueError(f"download is for weights of the Hugging Face hub ({HUB}OWNER/NAME)")
        return self
