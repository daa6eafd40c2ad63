"""Which network to build: recipe options and presets. Needs no torch."""

from __future__ import annotations

from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from medfm_cli.recipe import Part


class Preset(NamedTuple):
    """The shape of a plain vision transformer."""

    dim: int
    depth: int
    heads: int
    patch_size: int


PRESETS: dict[str, Preset] = {
    # For the CPU: our own small sizes.
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
"""Vision transformers without a class token; their features are the mean of the patch tokens."""


class BackboneSpec(Part):
    """An image encoder: one of the presets, or any model that timm knows by name."""

    name: str = Field("vit_xs", description="a preset (vit_xxs … vit_huge) or any timm name")
    image_size: int = Field(64, ge=8, le=4096, description="side of the square input in pixels")
    patch_size: int | None = Field(
        None, ge=1, description="side of a patch in pixels; the preset's own when left out"
    )
    channels: Literal[1, 3] = Field(1, description="1 for grey images, 3 for colour")
    position: Literal["sincos", "learned"] = Field(
        "sincos", description="how a preset's position embedding starts; it is trained either way"
    )
    drop_path: float = Field(
        0.0, ge=0, lt=1, description="stochastic depth while training; always off in evaluation"
    )
    registers: int = Field(0, ge=0, le=64, description="register tokens of a preset (DINOv2)")
    layer_scale: float | None = Field(
        None, gt=0, description="LayerScale's initial value for a preset (DINOv2: 1e-5)"
    )
    pretrained: bool = Field(
        False, description="start from timm's published weights (timm names only; may download)"
    )

    @property
    def preset(self) -> Preset | None:
        """The preset of that name, or None for a timm name."""
        return PRESETS.get(self.name)

    @property
    def patch(self) -> int | None:
        """The patch size in pixels, or None where timm decides."""
        return self.patch_size or (self.preset.patch_size if self.preset else None)

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
            "layer_scale": self.layer_scale is not None,
            "position": "position" in self.model_fields_set and self.position != "sincos",
        }
        if wrong := [name for name, is_set in given.items() if is_set]:
            raise ValueError(
                f"{', '.join(wrong)} can be set for the presets only "
                f"({', '.join(PRESETS)}), not for the timm model {self.name}"
            )


class HeadSpec(Part):
    """What turns features into logits."""

    kind: Literal["linear", "probe"] = Field(
        "linear", description="'probe' puts BatchNorm without weights before the linear layer"
    )
    classes: int = Field(ge=1, description="number of outputs K")
