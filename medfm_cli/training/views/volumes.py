"""Random views of volumes: crop and mirror, then the window of CT or the greys of others."""

from __future__ import annotations

import math
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
    seen = _crop(values.float(), views, random, name)
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


def _crop(values: Tensor, views: VolumeViews, random: StepRandom, name: str) -> Tensor:
    """Crop and mirror along one axis after the other, linearly: together it is trilinear.

    A crop that is not turned separates, and three products with small matrices are much faster on
    the CPU than `grid_sample` in three dimensions. Crops are magnified and cannot alias.
    """
    if views.crop == [1.0, 1.0] and views.ratio == 1 and not views.flip:
        return values
    halves, centres = crop_sides(views, random.uniform(f"crop{name}", 7))
    for axis, side in enumerate(AXES):
        half = halves[:, axis]
        if side in views.flip:
            half = torch.where(random.uniform(f"flip {side}{name}") < 0.5, -half, half)
        count = values.shape[2 + axis]
        places = centres[:, axis, None] + half[:, None] * pixel_centres(count, half)
        values = _resample(values, linear_weights(places, count), axis)
    return values


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
