"""Crops of images: cut, turned, mirrored and resized in one sampling; masks and boxes with them.

`torchvision.transforms.v2` and MONAI move masks and boxes too, but draw from generators of their
own and give one transform to a whole batch. Here every draw belongs to (seed, step, row), so that
runs can be resumed and split, and a batch is sampled at once on the device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medfm_cli.training.augmentations import ImageViews
    from medfm_cli.training.randomness import StepRandom


@dataclass(frozen=True)
class ImageCrop:
    """Where the pixels of each view come from.

    Attributes:
        boxes: what each view shows, [B,4] as `crop_boxes` gives it, inside the image.
        angle: by which it is turned about its centre, [B] in radians; None: not at all.
        source: height and width of the images.
        shape: height and width of the views.
        fine: samples for each pixel along each side.
    """

    boxes: Tensor
    angle: Tensor | None
    source: tuple[int, int]
    shape: tuple[int, int]
    fine: int

    def images(self, values: Tensor) -> Tensor:
        """Views of images [B,C,H,W]; bilinear, the mean of `fine` × `fine` samples a pixel."""
        grid = self._grid(self.shape[0] * self.fine, self.shape[1] * self.fine)
        sampled = functional.grid_sample(
            values, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        return sampled if self.fine == 1 else functional.avg_pool2d(sampled, self.fine)

    def masks(self, masks: Tensor) -> Tensor:
        """Views of masks [B,H,W] of any dtype, by the nearest pixel."""
        (height, width), grid = self.source, self._grid(*self.shape)
        across = ((grid[..., 0] + 1) * width / 2).floor().clamp(0, width - 1)
        down = ((grid[..., 1] + 1) * height / 2).floor().clamp(0, height - 1)
        index = (down * width + across).long()
        return masks.flatten(1).gather(1, index.flatten(1)).view(index.shape)

    def corners(self, corners: Tensor, row: Tensor) -> Tensor:
        """Places [n,k,2] (x, y in pixels of the image) in pixels of the view of image `row` [n]."""
        boxes = self.boxes[row]
        (height, width), (down, across) = self.source, self.shape
        aspect = width / height
        x = (2 * corners[..., 0] / width - 1 - boxes[:, 0:1]) * aspect
        y = 2 * corners[..., 1] / height - 1 - boxes[:, 1:2]
        if self.angle is not None:
            cos, sin = self.angle[row].cos()[:, None], self.angle[row].sin()[:, None]
            x, y = cos * x + sin * y, cos * y - sin * x
        x, y = x / (aspect * boxes[:, 2:3]), y / boxes[:, 3:4]
        return torch.stack([(x + 1) * across / 2, (y + 1) * down / 2], dim=-1)

    def _grid(self, height: int, width: int) -> Tensor:
        if self.angle is None:
            return sampling_grid(self.boxes, height, width)
        aspect = self.source[1] / self.source[0]
        return turned_grid(self.boxes, self.angle, (height, width), aspect=aspect)


def draw_crop(
    views: ImageViews,
    random: StepRandom,
    *,
    source: tuple[int, int],
    name: str = "",
    crop: Sequence[float] | None = None,
    size: int | None = None,
) -> ImageCrop | None:
    """Draw what to cut out of each image, None where all stay as they are.

    Crops of the images' own size are magnified and cannot alias. Where `size` makes the largest
    crop k times smaller, ⌈k⌉ × ⌈k⌉ samples are averaged for each pixel.
    """
    area, (height, width) = list(crop or views.crop), source
    shape = source if size is None else (size, size)
    whole = area == [1.0, 1.0] and views.ratio == 1
    if whole and not views.flip and not views.rotate and shape == source:
        return None
    boxes = crop_boxes(views, random.uniform(f"crop{name}", 5), crop=area)
    fine = _oversampling(area[1] * views.ratio, source, shape)
    angle = None
    if views.rotate:
        angle = math.radians(views.rotate) * (2 * random.uniform(f"rotate{name}") - 1)
        boxes = moved_inside(boxes, angle, aspect=width / height)
    return ImageCrop(boxes, angle, source, shape, fine)


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


def moved_inside(boxes: Tensor, angle: Tensor, *, aspect: float) -> Tensor:
    """Make boxes smaller and move them until they lie in the image when turned by `angle` [B].

    So nothing is shown that was not there. `aspect` is the image's width : height.
    """
    cos, sin = angle.cos(), angle.sin()
    wide, high = boxes[:, 2], boxes[:, 3]
    reach_x = wide.abs() * cos.abs() + high * sin.abs() / aspect
    reach_y = wide.abs() * sin.abs() * aspect + high * cos.abs()
    smaller = 1 / torch.maximum(reach_x, reach_y).clamp(min=1.0)
    free_x, free_y = 1 - smaller * reach_x, 1 - smaller * reach_y
    centre_x = torch.minimum(torch.maximum(boxes[:, 0], -free_x), free_x)
    centre_y = torch.minimum(torch.maximum(boxes[:, 1], -free_y), free_y)
    return torch.stack([centre_x, centre_y, smaller * wide, smaller * high], dim=1)


def turned_grid(boxes: Tensor, angle: Tensor, shape: tuple[int, int], *, aspect: float) -> Tensor:
    """Turn the boxes by `angle` [B] (radians) about their centres; [B,H,W,2] as `sampling_grid`."""
    along = (boxes[:, 2:3] * pixel_centres(shape[1], boxes))[:, None, :]
    down = (boxes[:, 3:4] * pixel_centres(shape[0], boxes))[:, :, None]
    cos, sin = angle.cos().view(-1, 1, 1), angle.sin().view(-1, 1, 1)
    x = boxes[:, 0].view(-1, 1, 1) + cos * along - sin * down / aspect
    y = boxes[:, 1].view(-1, 1, 1) + sin * along * aspect + cos * down
    return torch.stack([x, y], dim=-1)


def pixel_centres(count: int, like: Tensor) -> Tensor:
    """Give the places of `count` pixels in −1…1, [count]."""
    return (torch.arange(count, device=like.device, dtype=like.dtype) * 2 + 1) / count - 1
