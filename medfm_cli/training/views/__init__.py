"""Random views of a batch, made on the device from the stored values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.models.inputs import normalise
from medfm_cli.training.views.images import image_views

if TYPE_CHECKING:
    from torch import Tensor

    from medfm_cli.data.inputs import AnyInput
    from medfm_cli.training.augmentations import ImageViews
    from medfm_cli.training.randomness import StepRandom

__all__ = ["draw_view"]


def draw_view(
    values: Tensor,
    views: ImageViews,
    preprocessing: AnyInput,
    random: StepRandom,
    *,
    name: str = "",
    crop: tuple[float, float] | None = None,
    size: int | None = None,
) -> Tensor:
    """Draw a view of every sample and normalise it.

    Nothing depends on how the batch is split over processes or parts: every draw belongs to the
    step and the row.

    Args:
        values: the batch as it is stored: uint8 [B,C,S,S].
        views: what may happen to it.
        preprocessing: how the network takes it.
        random: the step's random numbers.
        name: names independent draws for the same samples (several views of each).
        crop: smallest and largest part of the area, in place of the one in `views`.
        size: side of the views in pixels, when it is not the images' own (small crops).

    Returns:
        float32 [B,C,S,S], or [B,C,size,size], as the network takes it.
    """
    seen = image_views(values, views, random, name=name, crop=crop, size=size)
    return normalise(seen, preprocessing)
