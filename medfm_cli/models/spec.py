"""The network to build: recipe options and presets. Needs no torch."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Discriminator, Field, Tag, model_validator

from medfm_cli.recipe import Part


class Preset(NamedTuple):
    """The shape of a plain vision transformer."""

    dim: int
    depth: int
    heads: int
    patch_size: int


PRESETS: dict[str, Preset] = {
    # Our own small sizes, for the CPU.
    "vit_xxs": Preset(64, 4, 2, 8),
    "vit_xs": Preset(96, 4, 3, 8),
    "vit_s4": Preset(128, 6, 4, 8),
    "vit_s6": Preset(192, 6, 6, 8),
    # The sizes of the BioVFM-21M scaling study (arXiv 2505.09329).
    "vit_tiny": Preset(192, 12, 3, 16),
    "vit_small": Preset(384, 12, 6, 16),
    "vit_base": Preset(768, 12, 12, 16),
    "vit_large": Preset(1024, 24, 16, 16),
    "vit_huge": Preset(1280, 32, 16, 14),
}
"""Vision transformers without a class token; their features are the mean of the patch tokens.

BioVFM's H/14 has SwiGLU for DINOv2 and plain layers for MAE: a preset has plain layers, or gated
ones with `mlp: swiglu`.
"""

HUB = "hf:"
"""Prefix of references to weights on the Hugging Face hub or in its local cache."""

AXES = {"image": 2, "volume": 3, "signal": 1, "series": 1, "audio": 2}
"""Number of axes of each kind of input, without channels."""


def swiglu_width(dim: int) -> int:
    """Width of gated feed-forward layers, DINOv2's: two thirds of 4 D, rounded up to eights."""
    return (int(4 * dim * 2 / 3) + 7) // 8 * 8


class Transformer(Part):
    """The options of a preset for any kind of input."""

    name: str = Field("vit_xs", description="a preset (vit_xxs … vit_huge) or any timm name")
    position: Literal["sincos", "learned"] = Field(
        "sincos", description="initial position embedding of a preset; it is trained in either case"
    )
    drop_path: float = Field(
        0.0, ge=0, lt=1, description="stochastic depth while training; always off in evaluation"
    )
    registers: int = Field(0, ge=0, le=64, description="register tokens of a preset (DINOv2)")
    class_token: bool = Field(
        False,
        description="add a class token to a preset, for published weights that have one; "
        "features are the mean of the patch tokens either way",
    )
    layer_scale: float | None = Field(
        None, gt=0, description="LayerScale's initial value for a preset (DINOv2: 1e-5)"
    )
    mlp: Literal["gelu", "swiglu"] = Field(
        "gelu", description="a preset's feed-forward layers; swiglu: gated, of 8/3 of the width"
    )

    @property
    def preset(self) -> Preset | None:
        """The preset of that name, or None for a timm name."""
        return PRESETS.get(self.name)


class BackboneSpec(Transformer):
    """An image encoder: a preset or any timm model."""

    kind: ClassVar[Literal["image"]] = "image"

    image_size: int = Field(64, ge=8, le=4096, description="side of the square input in pixels")
    patch_size: int | None = Field(
        None, ge=1, description="side of a patch in pixels; default: that of the preset"
    )
    channels: Literal[1, 3] = Field(1, description="1 for grey images, 3 for colour")
    pretrained: bool = Field(
        False, description="start from timm's published weights (timm names only; may download)"
    )

    @property
    def patch(self) -> int | None:
        """The patch size in pixels, or None if timm decides."""
        return self.patch_size or (self.preset.patch_size if self.preset else None)

    @property
    def input_text(self) -> str:
        """The input as text: channels and sides."""
        return f"{self.channels} × {self.image_size}²"

    @property
    def patch_text(self) -> str:
        """The sides of a patch as text; empty if timm decides."""
        return str(self.patch or "")

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.preset is None:
            self._check_timm_options()
        else:
            self._check_preset_options()
        return self

    def _check_preset_options(self) -> None:
        if self.pretrained:
            raise ValueError(
                f"the preset {self.name} has no published weights: drop 'pretrained', "
                "or choose a timm name such as vit_tiny_patch16_224"
            )
        if self.patch and self.image_size % self.patch:
            raise ValueError(
                f"image_size {self.image_size} is not a multiple of the patch size {self.patch}"
            )

    def _check_timm_options(self) -> None:
        given = {
            "patch_size": self.patch_size is not None,
            "registers": self.registers > 0,
            "class_token": self.class_token,
            "layer_scale": self.layer_scale is not None,
            "mlp": self.mlp != "gelu",
            "position": "position" in self.model_fields_set and self.position != "sincos",
        }
        if wrong := [name for name, is_set in given.items() if is_set]:
            raise ValueError(
                f"{', '.join(wrong)} can be set for the presets only "
                f"({', '.join(PRESETS)}), not for the timm model {self.name}"
            )


class PatchSpec(Transformer):
    """An encoder of volumes, signals, series or audio: a preset over patches of 1 to 3 axes.

    The shape is what the position embedding is made at. Other shapes may come (a volume of
    another depth): their positions are resized, so that one encoder serves all of them.
    """

    kind: Literal["volume", "signal", "series", "audio"] = Field(
        description="kind of input; it has 3, 1, 1 or 2 axes"
    )
    shape: list[int] = Field(
        description="sides of the input: depth, height, width; time; or mels, frames"
    )
    patch: list[int] = Field(description="sides of a patch along the same axes")
    channels: int = Field(1, ge=1, description="leads, variables with their flags, or colours")

    @property
    def input_text(self) -> str:
        """The input as text: channels and sides."""
        return " × ".join(map(str, (self.channels, *self.shape)))

    @property
    def patch_text(self) -> str:
        """The sides of a patch as text."""
        return " × ".join(map(str, self.patch))

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.preset is None:
            raise ValueError(
                f"{self.name} is not a preset: an encoder of a {self.kind} is one of "
                f"{', '.join(PRESETS)}"
            )
        axes = AXES[self.kind]
        for name, sides in (("shape", self.shape), ("patch", self.patch)):
            if len(sides) != axes or min(sides) < 1:
                raise ValueError(
                    f"{name} {sides} does not fit a {self.kind}: it has {axes} "
                    f"side{'s' if axes > 1 else ''} of at least 1"
                )
        if any(side % part for side, part in zip(self.shape, self.patch, strict=True)):
            raise ValueError(f"shape {self.shape} is not a multiple of the patch {self.patch}")
        return self


def _kind_of(value: Any) -> str:
    """Discriminate specs: one with a kind (as a key, or as a field) is a PatchSpec."""
    kind = value.get("kind", "image") if isinstance(value, dict) else value.kind
    return "image" if kind == "image" else "patches"


AnySpec = Annotated[
    Annotated[BackboneSpec, Tag("image")] | Annotated[PatchSpec, Tag("patches")],
    Discriminator(_kind_of),
]
"""The spec of any encoder. Specs of images have no kind, because they are older."""


class HeadSpec(Part):
    """The head: from features to logits."""

    kind: Literal["linear", "probe"] = Field(
        "linear",
        description="'probe' adds BatchNorm without affine weights before the linear layer",
    )
    classes: int = Field(ge=1, description="number of outputs K")
