"""Options of the objectives on pairs of image and text, `clip` and `siglip`. Torch-free."""

from __future__ import annotations

import math
import string
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from medfm_cli.commands.pretrain.objectives.options.base import (
    ExtraParameters,
    ObjectiveOptions,
    count_layers,
)
from medfm_cli.data.texts import TEMPLATE_FIELDS
from medfm_cli.models.text_spec import TextShape


class TextOptions(TextShape):
    """The texts, their tokeniser and their encoder."""

    tokeniser: str | None = Field(
        None, description="A tokenizer.json or a folder with one, instead of training one."
    )
    pretrained: str | None = Field(
        None,
        description="A local Hugging Face folder with a text model to start from, instead of the "
        "tower above; its tokenizer.json is used too.",
    )
    draw: Literal["whole", "statement"] = Field(
        "whole",
        description="Input of a step: the whole text, or one random sentence (one question with "
        "its answer).",
    )
    template: str | None = Field(
        None,
        description="Text of samples that have a label and no text, for instance "
        "'a photograph of {label}'; may name label, modality, anatomy.",
    )

    @model_validator(mode="after")
    def _alone(self) -> Self:
        own = {"dim", "depth", "heads", "vocabulary", "tokeniser"} & self.model_fields_set
        if self.pretrained is not None and own:
            raise ValueError(f"{', '.join(sorted(own))}: the model in `pretrained` has its own")
        return self

    @field_validator("template")
    @classmethod
    def _known_fields(cls, value: str | None) -> str | None:
        if value is None:
            return None
        fields = [name for _, name, _, _ in string.Formatter().parse(value) if name is not None]
        if "label" not in fields or set(fields) - set(TEMPLATE_FIELDS):
            allowed = ", ".join(f"{{{name}}}" for name in TEMPLATE_FIELDS)
            raise ValueError(f"must name {{label}}, and nothing but {allowed}")
        return value


class PairOptions(ObjectiveOptions):
    """Options of both objectives."""

    needs: ClassVar[frozenset[str]] = frozenset({"subjects", "texts"})

    dim: int = Field(512, ge=2, description="Width of the space that images and texts share.")
    text: TextOptions = Field(TextOptions(), description="The texts and their encoder.")

    def activations(self, width: int) -> float:
        """All patches in the encoder; of the text tower as much for each of its few tokens."""
        return float(width) + self.text.dim * self.text.depth / 2

    def extra_parameters(self, encoder: int, *, dim: int, patch: int) -> ExtraParameters | None:
        """The text tower with all the tokens it may have, two projections, the scale.

        None with files whose size is not known here: a tokeniser, a text model.
        """
        del encoder, patch
        text = self.text
        if text.pretrained is not None or text.tokeniser is not None:
            return None
        places = (text.vocabulary + text.length) * text.dim
        tower = places + text.depth * (12 * text.dim**2 + 13 * text.dim) + 2 * text.dim
        projections = [count_layers(width, self.dim, bias=False) for width in (dim, text.dim)]
        return ExtraParameters(tower + sum(projections) + 1)

    def files(self) -> dict[str, Path]:
        """The files and folders that are read beside the dataset, by dotted key."""
        named = {"tokeniser": self.text.tokeniser, "pretrained": self.text.pretrained}
        return {f"objective.text.{key}": Path(path) for key, path in named.items() if path}


class ClipOptions(PairOptions):
    """CLIP (Radford et al. 2021): match images and texts of the batch in both directions."""

    name: Literal["clip"] = "clip"
    implementation: ClassVar[str] = "medfm_cli.commands.pretrain.objectives.clip:Clip"
    temperature: float = Field(
        0.07, gt=0, description="Initial temperature, which divides the cosines; learned."
    )
    largest_scale: float = Field(
        100.0, ge=1, description="Upper limit of the learned scale, 1 / temperature."
    )

    @model_validator(mode="after")
    def _below(self) -> Self:
        if 1 / self.temperature > self.largest_scale:
            raise ValueError(
                f"temperature {self.temperature} starts above largest_scale {self.largest_scale}"
            )
        return self


class SiglipOptions(PairOptions):
    """SigLIP (Zhai et al. 2023): classify each pair of image and text as matching or not."""

    name: Literal["siglip"] = "siglip"
    implementation: ClassVar[str] = "medfm_cli.commands.pretrain.objectives.siglip:Siglip"
    scale: float = Field(
        10.0, gt=0, description="Initial scale, which multiplies the cosines; learned."
    )
    bias: float = Field(-10.0, description="Initial bias of every logit: most pairs do not match.")

    def extra_parameters(self, encoder: int, *, dim: int, patch: int) -> ExtraParameters | None:
        """As in CLIP, and the bias."""
        extra = super().extra_parameters(encoder, dim=dim, patch=patch)
        return None if extra is None else ExtraParameters(extra.trainable + 1)

    @field_validator("bias")
    @classmethod
    def _finite(cls, value: float) -> float:
        if not math.isfinite(value):
            raise ValueError("must be a finite number")
        return value
