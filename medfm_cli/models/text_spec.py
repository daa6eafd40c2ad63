"""The text encoder to build. Needs no torch."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from medfm_cli.recipe import Part

Pooling = Literal["mean", "end"]


class TextShape(Part):
    """The sizes of a transformer over tokens."""

    dim: int = Field(512, ge=8, description="Width of the tokens, a multiple of heads.")
    depth: int = Field(12, ge=1, description="Number of blocks.")
    heads: int = Field(8, ge=1, description="Attention heads.")
    length: int = Field(
        77, ge=4, description="Tokens of a text, with start and end; what is longer is cut."
    )
    pooling: Pooling = Field(
        "end", description="What stands for a text: its last token (end), or the mean of all."
    )
    vocabulary: int = Field(
        49152, ge=259, description="Most tokens of the tokeniser that is trained on these texts."
    )

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} must be a multiple of heads ({self.heads})")
        return self


class TextSpec(TextShape):
    """A transformer over tokens: our own, or one of transformers by its configuration."""

    vocabulary: int = Field(
        49152, ge=259, description="Tokens: of our own tokeniser the most, of another as it has."
    )
    pad: int = Field(0, ge=0, description="The token that fills up.")
    hub: dict[str, Any] | None = Field(
        None, description="The configuration of a model of transformers; null: our own tower."
    )
