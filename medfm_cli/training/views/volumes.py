"""Random views of volumes: crop and mirror, then the window of CT or the greys of others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medfm_cli.training.views.cropping import pixel_centres
from medfm_cli.training.views.noise import white_noise

if TYPE_CHECKING:
    from medfm_cli.data.inputs import VolumeInput
    from medfm_cli.training.augmentations import VolumeViews
    from medfm_cli.training.randomness import StepRandom

AXES = ("depth", "height", "width")


def volume_views(
    values: Tensor,
    views: VolumeViews,
    preprocessing: VolumeInput,
    random: StepRandom,
    *,
    name: str = "",
) -> Tensor:
    """Draw a view of volumes [B,C,D,H,W], in HU or grey: float32 of the same shape and unit."""
    crop = draw_volume_crop(views, random, name=name)
    seen = values.float() if crop is None else crop.volumes(values.float())
    low, high = preprocessing.range
    if views.level or views.width:
        draws = 2 * random.uniform(f"window{name}", 2) - 1
        level, width = views.level * draws[:, 0], 1 + views.width * draws[:, 1]
        seen = jitter_window(seen, level, width, window=(low, high))
    if not (views.brightness or views.contrast or views.gamma or views.noise):
        return seen
    scaled = ((seen - low) / (high - low)).clamp(0.0, 1.0)
    scaled = _shift_greys(scaled, views, random, name)
    if views.noise:
        strength, key = random.uniform(f"noise{name}", 2).unbind(1)
        noise = white_noise(scaled, key)
        scaled = (scaled + _wide(views.noise * strength) * noise).clamp(0.0, 1.0)
    return low + (high - low) * scaled


def jitter_window(
    values: Tensor, level: Tensor, width: Tensor, *, window: tuple[float, float]
) -> Tensor:
    """Give the HU that the plain window shows as a shifted and widened one shows `values`.

    A window with centre c and width w shows x as (x − c) / w + ½. Moved by `level` [B] (HU) and
    `width` [B] (a factor) times as wide, it shows x as the plain one shows
    (x − c − level) / width + c. Nothing is cut: that is left to the normalisation.
    """
    centre = sum(window) / 2
    return (values - centre - _wide(level)) / _wide(width) + centre


@dataclass(frozen=True)
class VolumeCrop:
    """Where the voxels of each view come from.

    Attributes:
        halves: half sides [B,3] in units of half the volume's side; negative ones mirror.
        centres: [B,3], from −1 to 1.
    """

    halves: Tensor
    centres: Tensor

    def volumes(self, values: Tensor) -> Tensor:
        """Views of volumes [B,C,D,H,W], linear along one axis after the other: trilinear.

        A crop that is not turned separates, and three products with small matrices are much faster
        on the CPU than `grid_sample` in three dimensions. Crops are magnified and cannot alias.
        """
        for axis in range(3):
            count = values.shape[2 + axis]
            values = _resample(values, linear_weights(self._places(axis, count), count), axis)
        return values

    def masks(self, masks: Tensor) -> Tensor:
        """Views of masks [B,D,H,W] of any dtype, by the nearest voxel."""
        for axis in range(3):
            count = masks.shape[1 + axis]
            places = self._places(axis, count)
            index = ((places + 1) * count / 2).floor().clamp(0, count - 1).long()
            shape = [len(index), 1, 1, 1]
            shape[1 + axis] = count
            masks = masks.take_along_dim(index.view(shape), dim=1 + axis)
        return masks

    def _places(self, axis: int, count: int) -> Tensor:
        half = self.halves[:, axis]
        return self.centres[:, axis, None] + half[:, None] * pixel_centres(count, half)


def draw_volume_crop(
    views: VolumeViews, random: StepRandom, *, name: str = ""
) -> VolumeCrop | None:
    """Draw what to cut out of each volume, None where all stay as they are."""
    if views.crop == [1.0, 1.0] and views.ratio == 1 and not views.flip:
        return None
    halves, centres = crop_sides(views, random.uniform(f"crop{name}", 7))
    sides = list(halves.unbind(1))
    for axis, side in enumerate(AXES):
        if side in views.flip:
            mirrored = random.uniform(f"flip {side}{name}") < 0.5
            sides[axis] = torch.where(mirrored, -sides[axis], sides[axis])
    return VolumeCrop(torch.stack(sides, dim=1), centres)


def crop_sides(views: VolumeViews, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Turn draws from U[0,1) [B,7] into half sides and centres of crops, both [B,3], whole: 1.

    The part of the volume is uniform in `crop`; the logarithms of the sides differ from each other
    by at most log `ratio`. Sides are cut to the whole; the centre is uniform where the crop fits.
    """
    small, large = views.crop
    volume = small + (large - small) * uniform[:, :1]
    stretch = (uniform[:, 1:4] - 0.5) * math.log(views.ratio)
    stretch = stretch - stretch.mean(dim=1, keepdim=True)
    halves = (volume ** (1 / 3) * stretch.exp()).clamp(max=1.0)
    return halves, (2 * uniform[:, 4:] - 1) * (1 - halves)


def linear_weights(places: Tensor, count: int) -> Tensor:
    """Give the weights [B,n,count] that interpolate `count` values at places [B,n] in −1…1.

    As `grid_sample` does with `align_corners=False` and `padding_mode="border"`.
    """
    index = (((places + 1) * count - 1) / 2).clamp(0, count - 1)
    distance = index[..., None] - torch.arange(count, device=places.device)
    return (1 - distance.abs()).clamp(min=0)


def _resample(values: Tensor, weights: Tensor, axis: int) -> Tensor:
    """Multiply volumes [B,C,D,H,W] with matrices [B,n,n] along a spatial axis."""
    batch, channels, depth, height, width = values.shape
    if axis == 2:
        flat = values.reshape(batch, -1, width)
        return torch.bmm(flat, weights.transpose(1, 2)).reshape(values.shape)
    if axis == 1:
        flat = values.reshape(batch, channels * depth, height, width)
        return torch.matmul(weights[:, None], flat).reshape(values.shape)
    flat = values.reshape(batch, channels, depth, height * width)
    return torch.matmul(weights[:, None], flat).reshape(values.shape)


def _shift_greys(scaled: Tensor, views: VolumeViews, random: StepRandom, name: str) -> Tensor:
    """Apply x ← x^γ, then x ← b (c (x − m) + m) with m the volume's mean, cut to 0…1.

    The logarithm of γ is uniform in ±log(1 + `gamma`).
    """
    if not (views.brightness or views.contrast or views.gamma):
        return scaled
    draws = 2 * random.uniform(f"greys{name}", 3) - 1
    if views.gamma:
        scaled = scaled ** _wide((draws[:, 2] * math.log(1 + views.gamma)).exp())
    if not (views.brightness or views.contrast):
        return scaled
    mean = scaled.mean(dim=(1, 2, 3, 4), keepdim=True)
    contrast, brightness = 1 + views.contrast * draws[:, 0], 1 + views.brightness * draws[:, 1]
    return (_wide(brightness) * (_wide(contrast) * (scaled - mean) + mean)).clamp(0.0, 1.0)


def _wide(strength: Tensor) -> Tensor:
    return strength.view(-1, 1, 1, 1, 1)
