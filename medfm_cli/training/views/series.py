"""Random views of measurements over time: F values, then F flags of what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medfm_cli.training.views.masking import keep_one, window
from medfm_cli.training.views.noise import white_noise

if TYPE_CHECKING:
    from medfm_cli.training.augmentations import SeriesViews
    from medfm_cli.training.randomness import StepRandom


def series_views(
    values: Tensor, views: SeriesViews, random: StepRandom, *, name: str = ""
) -> Tensor:
    """Draw a view of series [B,2F,T]: float32 of the same shape.

    What is taken away is as if it had never been measured: value 0 and flag 0.
    """
    measured, flags = values.float().chunk(2, dim=1)
    if views.drop:
        draws = random.uniform(f"drop{name}", flags.shape[1])
        flags = flags * keep_one(draws, (flags > 0).any(dim=2), views.drop)[:, :, None]
    if views.mask:
        hidden = window(random.uniform(f"mask{name}", 2), flags.shape[2], views.mask)
        flags = flags.masked_fill(hidden[:, None, :], 0.0)
    if views.jitter:
        strength, key = random.uniform(f"jitter{name}", 2).unbind(1)
        noise = white_noise(measured, key)
        measured = measured + (views.jitter * strength).view(-1, 1, 1) * noise
    return torch.cat([measured * flags, flags], dim=1)
