"""Random views of a batch, made on the device from the stored bytes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from medfm_cli.training.options import Augment
    from medfm_cli.training.randomness import StepRandom


def augment(images: Tensor, options: Augment, random: StepRandom, *, view: str = "") -> Tensor:
    """Crop, resize, mirror and shift the grey values of uint8 images [B,C,S,S].

    Returns float32 [B,C,S,S] in 0…255, so that `models.inputs.normalise` takes it as it takes
    bytes. `view` names independent draws for the same images (several crops of each).
    """
    values = _crop(images.float(), options, random, view)
    if options.brightness or options.contrast:
        values = _shift_greys(values, options, random, view)
    return values


def crop_boxes(options: Augment, uniform: Tensor) -> Tensor:
    """Turn draws from U[0,1) [B,5] into boxes [B,4]: centre x, centre y, half width, half height.

    In units of half the image, so that the whole image is (0, 0, 1, 1); a negative half width
    mirrors. The area part a is uniform in `crop`, the log of the ratio r uniform in ±log `ratio`;
    the crop is √(a r) wide and √(a / r) high (parts of the side, cut to 1) and its centre uniform
    where it fits: the RandomResizedCrop of Szegedy et al. 2015, with a cut instead of
    torchvision's ten tries.
    """
    small, large = options.crop
    area = small + (large - small) * uniform[:, 0]
    root = torch.exp((2 * uniform[:, 1] - 1) * math.log(options.ratio) / 2)
    width = (area.sqrt() * root).clamp(max=1.0)
    height = (area.sqrt() / root).clamp(max=1.0)
    centre_x = (2 * uniform[:, 2] - 1) * (1 - width)
    centre_y = (2 * uniform[:, 3] - 1) * (1 - height)
    mirrored = (uniform[:, 4] < 0.5) & options.flip
    return torch.stack([centre_x, centre_y, torch.where(mirrored, -width, width), height], dim=1)


def _crop(values: Tensor, options: Augment, random: StepRandom, view: str) -> Tensor:
    if options.crop == [1.0, 1.0] and options.ratio == 1 and not options.flip:
        return values
    boxes = crop_boxes(options, random.uniform(f"crop{view}", 5))
    # Crops are magnified, never made smaller, so that bilinear sampling cannot alias.
    return functional.grid_sample(
        values,
        _sampling_grid(boxes, values.shape[2], values.shape[3]),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )


def _sampling_grid(boxes: Tensor, height: int, width: int) -> Tensor:
    """Give where to look for each pixel, [B,H,W,2] as (x, y) in −1…1.

    The affine grid of crops that are not turned: x does not depend on the row nor y on the
    column, which makes it several times faster than `affine_grid`.
    """
    columns = boxes[:, 0:1] + boxes[:, 2:3] * _pixel_centres(width, boxes)
    rows = boxes[:, 1:2] + boxes[:, 3:4] * _pixel_centres(height, boxes)
    grid = boxes.new_empty(len(boxes), height, width, 2)
    grid[..., 0] = columns[:, None, :]
    grid[..., 1] = rows[:, :, None]
    return grid


def _pixel_centres(count: int, like: Tensor) -> Tensor:
    return (torch.arange(count, device=like.device, dtype=like.dtype) * 2 + 1) / count - 1


def _shift_greys(values: Tensor, options: Augment, random: StepRandom, view: str) -> Tensor:
    """Apply x ← c (x − m) + m + 255 b with m the image's mean, cut to 0…255."""
    draws = 2 * random.uniform(f"greys{view}", 2) - 1
    contrast = (1 + options.contrast * draws[:, 0]).view(-1, 1, 1, 1)
    brightness = (255 * options.brightness * draws[:, 1]).view(-1, 1, 1, 1)
    mean = values.mean(dim=(1, 2, 3), keepdim=True)
    return (contrast * (values - mean) + mean + brightness).clamp(0.0, 255.0)
