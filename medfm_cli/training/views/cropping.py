"""Crops of images: cut, turned, mirrored and resized in one sampling."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medfm_cli.training.augmentations import ImageViews
    from medfm_cli.training.randomness import StepRandom


def crop_images(
    values: Tensor,
    views: ImageViews,
    random: StepRandom,
    *,
    name: str = "",
    crop: Sequence[float] | None = None,
    size: int | None = None,
) -> Tensor:
    """Crop, turn, mirror and resize images [B,C,H,W]; bilinear.

    Crops of the images' own size are magnified and cannot alias. Where `size` makes the largest
    crop k times smaller, ⌈k⌉ × ⌈k⌉ samples are averaged for each pixel.
    """
    area, (height, width) = list(crop or views.crop), values.shape[2:]
    shape = (height, width) if size is None else (size, size)
    whole = area == [1.0, 1.0] and views.ratio == 1
    if whole and not views.flip and not views.rotate and shape == (height, width):
        return values
    boxes = crop_boxes(views, random.uniform(f"crop{name}", 5), crop=area)
    fine = _oversampling(area[1] * views.ratio, (height, width), shape)
    down, across = shape[0] * fine, shape[1] * fine
    if views.rotate:
        angle = math.radians(views.rotate) * (2 * random.uniform(f"rotate{name}") - 1)
        grid = turned_grid(boxes, angle, (down, across), aspect=width / height)
    else:
        grid = sampling_grid(boxes, down, across)
    sampled = functional.grid_sample(
        values, grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return sampled if fine == 1 else functional.avg_pool2d(sampled, fine)


def crop_boxes(
    views: ImageViews, uniform: Tensor, *, crop: Sequence[float] | None = None
) -> Tensor:
    """Turn draws from U[0,1) [B,5] into boxes [B,4]: centre x, centre y, half width, half height.

    In units of half the image, so that the whole image is (0, 0, 1, 1); a negative half width
    mirrors. The area part a is uniform in `crop`, the log of the ratio r uniform in ±log `ratio`;
    the crop is √(a r) wide and √(a / r) high (parts of the side, cut to 1) and its centre uniform
    where it fits: the RandomResizedCrop of Szegedy et al. 2015, with a cut instead of
    torchvision's ten tries.
    """
    small, large = crop or views.crop
    area = small + (large - small) * uniform[:, 0]
    root = torch.exp((2 * uniform[:, 1] - 1) * math.log(views.ratio) / 2)
    width = (area.sqrt() * root).clamp(max=1.0)
    height = (area.sqrt() / root).clamp(max=1.0)
    centre_x = (2 * uniform[:, 2] - 1) * (1 - width)
    centre_y = (2 * uniform[:, 3] - 1) * (1 - height)
    mirrored = (uniform[:, 4] < 0.5) & views.flip
    return torch.stack([centre_x, centre_y, torch.where(mirrored, -width, width), height], dim=1)


def _oversampling(largest: float, source: tuple[int, int], target: tuple[int, int]) -> int:
    """Say how many samples a pixel needs along each side, for crops of at most this area part."""
    side = min(1.0, math.sqrt(largest))
    shrink = max(old * side / new for old, new in zip(source, target, strict=True))
    return max(1, math.ceil(shrink - 1e-6))


def sampling_grid(boxes: Tensor, height: int, width: int) -> Tensor:
    """Give where to look for each pixel, [B,H,W,2] as (x, y) in −1…1.

    The affine grid of crops that are not turned: x does not depend on the row nor y on the
    column, which makes it several times faster than `affine_grid`.
    """
    columns = boxes[:, 0:1] + boxes[:, 2:3] * pixel_centres(width, boxes)
    rows = boxes[:, 1:2] + boxes[:, 3:4] * pixel_centres(height, boxes)
    grid = boxes.new_empty(len(boxes), height, width, 2)
    grid[..., 0] = columns[:, None, :]
    grid[..., 1] = rows[:, :, None]
    return grid


def turned_grid(boxes: Tensor, angle: Tensor, shape: tuple[int, int], *, aspect: float) -> Tensor:
    """Turn the boxes by `angle` [B] (radians) about their centres; [B,H,W,2] as `sampling_grid`.

    A turned box that would leave the image is made smaller and moved until it lies inside:
    nothing is shown that was not there. `aspect` is the image's width : height.
    """
    cos, sin = angle.cos(), angle.sin()
    wide, high = boxes[:, 2], boxes[:, 3]
    reach_x = wide.abs() * cos.abs() + high * sin.abs() / aspect
    reach_y = wide.abs() * sin.abs() * aspect + high * cos.abs()
    smaller = 1 / torch.maximum(reach_x, reach_y).clamp(min=1.0)
    free_x, free_y = 1 - smaller * reach_x, 1 - smaller * reach_y
    centre_x = torch.minimum(torch.maximum(boxes[:, 0], -free_x), free_x)
    centre_y = torch.minimum(torch.maximum(boxes[:, 1], -free_y), free_y)
    along = ((smaller * wide)[:, None] * pixel_centres(shape[1], boxes))[:, None, :]
    down = ((smaller * high)[:, None] * pixel_centres(shape[0], boxes))[:, :, None]
    cos, sin = cos.view(-1, 1, 1), sin.view(-1, 1, 1)
    x = centre_x.view(-1, 1, 1) + cos * along - sin * down / aspect
    y = centre_y.view(-1, 1, 1) + sin * along * aspect + cos * down
    return torch.stack([x, y], dim=-1)


def pixel_centres(count: int, like: Tensor) -> Tensor:
    """Give the places of `count` pixels in −1…1, [count]."""
    return (torch.arange(count, device=like.device, dtype=like.dtype) * 2 + 1) / count - 1
