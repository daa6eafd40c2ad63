"""Random views of log-mel spectrograms: SpecAugment (Park et al. 2019), shifts and gain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medfm_cli.training.views.masking import window

if TYPE_CHECKING:
    from medfm_cli.data.inputs import AudioInput
    from medfm_cli.training.augmentations import AudioViews
    from medfm_cli.training.randomness import StepRandom


def audio_views(
    values: Tensor,
    views: AudioViews,
    preprocessing: AudioInput,
    random: StepRandom,
    *,
    name: str = "",
) -> Tensor:
    """Draw a view of spectrograms [B,1,M,F], standardised decibels: float32 of the same shape.

    What is masked becomes 0, the mean over the data, as in the paper.
    """
    seen = values.float()
    mels, frames = values.shape[2:]
    if views.shift:
        shift = views.shift * (2 * random.uniform(f"shift{name}") - 1) * frames
        places = torch.arange(frames, device=values.device) + shift.round().long()[:, None]
        seen = seen.gather(3, (places % frames)[:, None, None, :].expand(seen.shape))
    if views.gain:
        decibels = views.gain * (2 * random.uniform(f"gain{name}") - 1)
        silence = (-preprocessing.range_db - preprocessing.mean) / preprocessing.std
        louder = seen + (decibels / preprocessing.std).view(-1, 1, 1, 1)
        seen = louder.clamp(min=silence)
    for number in range(views.time_masks):
        draws = random.uniform(f"time mask {number}{name}", 2)
        seen = seen.masked_fill(window(draws, frames, views.time_mask)[:, None, None, :], 0.0)
    for number in range(views.mel_masks):
        draws = random.uniform(f"mel mask {number}{name}", 2)
        seen = seen.masked_fill(window(draws, mels, views.mel_mask)[:, None, :, None], 0.0)
    return seen
