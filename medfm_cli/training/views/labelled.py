"""Views of images and volumes together with their masks and boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medfm_cli.training.views.cropping import ImageCrop, draw_crop
from medfm_cli.training.views.draw import draw_view
from medfm_cli.training.views.volumes import draw_volume_crop

if TYPE_CHECKING:
    from torch import Tensor

    from medfm_cli.data.batch import Batch, Ragged
    from medfm_cli.data.inputs import AnyInput
    from medfm_cli.training.augmentations import AnyViews
    from medfm_cli.training.randomness import StepRandom

LEAST_VISIBLE = 0.25
"""A box of which a view shows a smaller part of its area is dropped."""


def draw_labelled_view(
    batch: Batch,
    views: AnyViews,
    preprocessing: AnyInput,
    random: StepRandom,
    *,
    name: str = "",
    size: int | None = None,
    least_visible: float = LEAST_VISIBLE,
) -> Batch:
    """Draw a view of every sample, and of its mask and boxes, where the batch has them.

    The images are those of `draw_view` for the same step and name. A mask is sampled by its nearest
    pixel. A box becomes the smallest upright box around its four moved corners, cut to the view;
    it is dropped where the view shows less than `least_visible` of it.

    Returns:
        The batch with `values` as the network takes them, `mask` [B,size,size] or [B,D,H,W],
        `boxes` and `box_classes`, and `boxes_dropped` int64 [B].

    Raises:
        ValueError: there are masks or boxes, and views of this kind do not move them.
    """
    drawn = batch.replace(
        values=draw_view(batch.values, views, preprocessing, random, name=name, size=size)
    )
    if views.kind == "volume" and "mask" in batch and "boxes" not in batch:
        volume = draw_volume_crop(views, random, name=name)
        return drawn if volume is None else drawn.replace(mask=volume.masks(batch["mask"]))
    if "mask" not in batch and "boxes" not in batch:
        return drawn
    if views.kind != "image":
        raise ValueError(f"views of kind {views.kind} do not move these masks or boxes")
    height, width = batch.values.shape[2:]
    source = (height, width)
    crop = draw_crop(views, random, source=source, name=name, size=size)
    if "mask" in batch and crop is not None:
        drawn = drawn.replace(mask=crop.masks(batch["mask"]))
    if "boxes" not in batch:
        return drawn
    boxes: Ragged = batch["boxes"]
    if crop is None:
        return drawn.replace(boxes_dropped=torch.zeros_like(batch.rows))
    moved, visible = move_boxes(boxes.values, boxes.row_of_value, crop)
    chosen = visible >= least_visible
    kept = type(boxes)(moved, boxes.offsets).keep(chosen)
    dropped = (boxes.lengths - kept.lengths).to(batch.rows.device, non_blocking=True)
    drawn = drawn.replace(boxes=kept, boxes_dropped=dropped)
    if "box_classes" in batch:
        drawn = drawn.replace(box_classes=batch["box_classes"].keep(chosen))
    return drawn


def move_boxes(boxes: Tensor, row: Tensor, crop: ImageCrop) -> tuple[Tensor, Tensor]:
    """Move boxes [n,4] of the images `row` [n] into their views.

    Returns:
        The boxes cut to the view, [n,4] in its pixels, and the part of each that is in it, [n].
    """
    corners = boxes[:, [0, 1, 2, 1, 0, 3, 2, 3]].view(-1, 4, 2)
    moved = crop.corners(corners, row)
    around = torch.cat([moved.amin(dim=1), moved.amax(dim=1)], dim=1)
    height, width = crop.shape
    limits = around.new_tensor([width, height, width, height])
    cut = torch.minimum(around.clamp(min=0), limits)
    return cut, _area(cut) / _area(around).clamp(min=torch.finfo(boxes.dtype).tiny)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
