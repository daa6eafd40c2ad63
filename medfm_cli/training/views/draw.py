"""One random view of every sample of a batch, whatever its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from medfm_cli.models.inputs import normalise
from medfm_cli.training.views.audio import audio_views
from medfm_cli.training.views.images import image_views
from medfm_cli.training.views.series import series_views
from medfm_cli.training.views.signals import signal_views
from medfm_cli.training.views.volumes import volume_views

if TYPE_CHECKING:
    from torch import Tensor

    from medfm_cli.data.inputs import AnyInput
    from medfm_cli.training.augmentations import (
        AnyViews,
        AudioViews,
        ImageViews,
        SeriesViews,
        SignalViews,
        VolumeViews,
    )
    from medfm_cli.training.randomness import StepRandom

__all__ = ["draw_view"]


def draw_view(
    values: Tensor,
    views: AnyViews,
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
        values: the batch as it was fitted, [B,C,*space]: `preprocessing.fit` of every sample.
        views: what may happen to it, of the same kind as `preprocessing`.
        preprocessing: how the network takes it.
        random: the step's random numbers.
        name: names independent draws for the same samples (several views of each).
        crop: smallest and largest part of the area, in place of the one in `views` (images).
        size: side of the views in pixels, when it is not the images' own (images).

    Returns:
        float32 [B,C,*space], images [B,C,size,size], as the network takes it.

    Raises:
        ValueError: the views are of another kind, or only images can be cropped so.
    """
    if views.kind != preprocessing.kind:
        raise ValueError(f"views of kind {views.kind} for inputs of kind {preprocessing.kind}")
    if views.kind != "image" and (crop or size):
        raise ValueError("`crop` and `size` are for images")
    match preprocessing.kind:
        case "image":
            views = cast("ImageViews", views)
            seen = image_views(values, views, random, name=name, crop=crop, size=size)
        case "volume":
            views = cast("VolumeViews", views)
            seen = volume_views(values, views, preprocessing, random, name=name)
        case "signal":
            views = cast("SignalViews", views)
            seen = signal_views(values, views, preprocessing, random, name=name)
        case "series":
            seen = series_views(values, cast("SeriesViews", views), random, name=name)
        case "audio":
            views = cast("AudioViews", views)
            seen = audio_views(values, views, preprocessing, random, name=name)
    return normalise(seen, preprocessing)
