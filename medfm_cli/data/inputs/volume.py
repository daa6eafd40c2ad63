"""Volumes, and images as volumes of the smallest depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from medfm_cli.data.card import Unify
from medfm_cli.data.common_shape import (
    in_shape,
    known_spacing,
    mask_in_shape,
    nearest_depth,
    to_common_shape,
)
from medfm_cli.data.inputs.base import NetworkInput, Shape, refuse
from medfm_cli.samples.content import Content, Image2D, Volume

AIR, METAL = -1024.0, 3071.0
"""The range of 12-bit CT in HU; scanners write values beyond it outside of their field."""


class VolumeInput(NetworkInput):
    """A scan in RadFM's shape, channel first: `[C, D, size, size]`, D the nearest of `depths`.

    The axes are those of `content.Volume`. Proportions in the plane are kept and the rest is
    padded with background, as `data.unify` does. An image is a volume of the smallest depth, so
    that one encoder serves both; a batch holds inputs of one depth.

    With a `window` (in HU) inputs are int16 and stay in HU until `models.inputs.normalise`, so
    that windows can be jittered. What is not CT has no HU: its greys, from 0.5th to 99.5th
    percentile, are spread over the window. Without a window inputs are uint8 greys.
    """

    kind: Literal["volume"] = "volume"

    size: int = Field(ge=8, description="height and width in voxels")
    depths: list[int] = Field(min_length=1, description="depths in use, ascending")
    channels: Literal[1, 3] = 1
    window: list[float] | None = Field(
        None, min_length=2, max_length=2, description="HU that become 0 and 1; null: greys"
    )
    mean: float = Field(0.5, description="of the values scaled to 0-1")
    std: float = Field(0.5, gt=0, description="of the values scaled to 0-1")

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.depths[0] < 1 or sorted(set(self.depths)) != self.depths:
            raise ValueError("depths are whole numbers from 1, each larger than the one before")
        if self.window is not None and not AIR <= self.window[0] < self.window[1] <= METAL:
            raise ValueError(f"a window is [low, high] in HU, from {AIR:g} to {METAL:g}")
        return self

    @property
    def shape(self) -> Shape:
        """`(C, D, size, size)` of the deepest inputs."""
        return self.channels, self.depths[-1], self.size, self.size

    @property
    def dtype(self) -> str:
        """`int16` (HU) with a window, else `uint8`."""
        return "uint8" if self.window is None else "int16"

    @property
    def range(self) -> tuple[float, float]:
        """The values of an input that become 0 and 1."""
        return (0.0, 255.0) if self.window is None else (self.window[0], self.window[1])

    def shape_of(self, kind: str, stored: Sequence[int]) -> Shape:
        """`(C, D, size, size)` of a volume stored as `[D, H, W]`, or of an image."""
        depth = nearest_depth(stored[0], self.depths) if kind == "volume" else self.depths[0]
        return self.channels, depth, self.size, self.size

    def fit(self, content: Content) -> NDArray[Any]:
        """A volume or an image as `[C, D, size, size]`, int16 (HU) or uint8.

        Raises:
            DataError: it is neither.
        """
        if not isinstance(content, Image2D | Volume):
            raise refuse(content, "volumes and images")
        how = Unify(size=self.size, depths=self.depths)
        if self.window is not None and isinstance(content, Volume) and content.unit == "HU":
            voxels = content.voxels.astype(np.float32)
            np.nan_to_num(voxels, copy=False, nan=AIR, posinf=METAL, neginf=AIR)
            hounsfield = Volume(voxels.clip(AIR, METAL), content.spacing)
            planes = np.rint(in_shape(hounsfield, how)).astype(np.int16)
        else:
            planes = to_common_shape(content, how).volume.voxels
            if self.window is not None:
                low, high = self.window
                planes = np.rint(low + planes * np.float32((high - low) / 255)).astype(np.int16)
        return _channel_first(planes, self.channels)

    def fit_mask(
        self, mask: NDArray[Any], spacing: tuple[float, float, float] | None
    ) -> NDArray[Any]:
        """The mask of an image or a volume as `fit` places it: `[D, size, size]`, 0 around it."""
        how = Unify(size=self.size, depths=self.depths)
        return mask_in_shape(mask, known_spacing(spacing), how)


def _channel_first(planes: NDArray[Any], channels: int) -> NDArray[Any]:
    """`[D, H, W]` or `[D, H, W, 3]` as `[C, D, H, W]`; colour becomes grey by its mean."""
    if planes.ndim == 3:
        return np.repeat(planes[None], channels, axis=0)
    turned = planes.transpose(3, 0, 1, 2)
    if channels == 1:
        turned = np.rint(turned.mean(axis=0, keepdims=True)).astype(planes.dtype)
    return np.ascontiguousarray(turned)
