"""Options of the masked autoencoder. Torch-free."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from medfm_cli.commands.pretrain.objectives.options.base import (
    ExtraParameters,
    ObjectiveOptions,
    count_layers,
)
from medfm_cli.recipe import Part


class Decoder(Part):
    """The small transformer that predicts the masked patches; discarded after pretraining."""

    dim: int = Field(64, ge=8, description="Width of the tokens, a multiple of 4 and of heads.")
    depth: int = Field(1, ge=1, description="Number of blocks.")
    heads: int = Field(4, ge=1, description="Attention heads.")

    @model_validator(mode="after")
    def _divides(self) -> Decoder:
        if self.dim % 4 or self.dim % self.heads:
            raise ValueError(
                f"dim {self.dim} must be a multiple of 4 and of heads ({self.heads}): "
                "positions are sines and cosines in two directions"
            )
        return self


class MaeOptions(ObjectiveOptions):
    """Masked autoencoder (He et al. 2022): encode visible patches, predict the masked ones."""

    name: Literal["mae"] = "mae"
    implementation: ClassVar[str] = "medfm_cli.commands.pretrain.objectives.mae:Mae"
    mask_ratio: float = Field(0.75, gt=0, lt=1, description="Share of masked patches.")
    norm_pix: bool = Field(
        True, description="Targets are patches normalised one by one, not grey values."
    )
    decoder: Decoder = Field(Decoder(), description="The decoder, discarded after pretraining.")

    def activations(self, width: int) -> float:
        """The visible part in the encoder, every patch in the decoder."""
        return (1 - self.mask_ratio) * width + self.decoder.dim * self.decoder.depth

    def extra_parameters(self, encoder: int, *, dim: int, patch: int) -> ExtraParameters:
        """The decoder: a layer in, a token, blocks of 12 d² + 13 d, a norm, a layer out."""
        del encoder
        inner = self.decoder.dim
        blocks = self.decoder.depth * (12 * inner**2 + 13 * inner)
        ends = count_layers(dim, inner) + count_layers(inner, patch)
        return ExtraParameters(ends + blocks + 3 * inner)
