"""Random views of recordings of several leads, such as the ECG.

0 means that nothing is known: an absent lead, or the time after the end of a short record. Noise
and wander leave it alone, and what is taken away becomes 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medfm_cli.training.views.masking import keep_one, window
from medfm_cli.training.views.noise import white_noise

if TYPE_CHECKING:
    from medfm_cli.data.inputs import SignalInput
    from medfm_cli.training.augmentations import SignalViews
    from medfm_cli.training.randomness import StepRandom


def signal_views(
    values: Tensor,
    views: SignalViews,
    preprocessing: SignalInput,
    random: StepRandom,
    *,
    name: str = "",
) -> Tensor:
    """Draw a view of signals [B,L,T]: float32 of the same shape and unit."""
    known = known_samples(values)
    seen, known = _move(values.float(), known, views, random, name)
    if views.scale:
        factor = 1 + views.scale * (2 * random.uniform(f"scale{name}") - 1)
        seen = factor.view(-1, 1, 1) * seen
    if views.wander:
        seen = seen + known * _wander(seen, views, preprocessing.rate, random, name)
    if views.noise:
        strength, key = random.uniform(f"noise{name}", 2).unbind(1)
        noise = white_noise(seen, key)
        seen = seen + known * (views.noise * strength).view(-1, 1, 1) * noise
    if views.drop:
        there = known.any(dim=2)
        kept = keep_one(random.uniform(f"drop{name}", values.shape[1]), there, views.drop)
        seen = seen * kept[:, :, None]
    if views.mask:
        hidden = window(random.uniform(f"mask{name}", 2), values.shape[2], views.mask)
        seen = seen.masked_fill(hidden[:, None, :], 0.0)
    return seen


def known_samples(values: Tensor) -> Tensor:
    """Say which samples of signals [B,L,T] are known: of a lead that is there, before the end."""
    there = values != 0
    leads = there.any(dim=2, keepdim=True)
    ends = there.any(dim=1, keepdim=True).flip(2).cummax(dim=2).values.flip(2)
    return leads & ends


def _move(
    values: Tensor, known: Tensor, views: SignalViews, random: StepRandom, name: str
) -> tuple[Tensor, Tensor]:
    """Cut a piece of the time, stretch it to the whole, and shift it; linear between samples.

    What comes in from outside is not known.
    """
    if views.crop == [1.0, 1.0] and not views.shift:
        return values, known
    count = values.shape[2]
    part, start, shift = random.uniform(f"time{name}", 3).unbind(1)
    small, large = views.crop
    part = small + (large - small) * part
    first = count * (start * (1 - part) + views.shift * (2 * shift - 1))
    if views.crop == [1.0, 1.0]:
        first = first.round()  # whole samples: nothing is smoothed
    steps = torch.arange(count, device=values.device) + 0.5
    places = first[:, None] + part[:, None] * steps - 0.5
    inside = (places > -0.5) & (places < count - 0.5)
    places = places.clamp(0, count - 1)
    lower = places.floor()
    weight = (places - lower)[:, None, :]
    left = lower.long()[:, None, :].expand(values.shape)
    right = (left + 1).clamp(max=count - 1)
    moved = torch.lerp(values.gather(2, left), values.gather(2, right), weight)
    nearest = places.round().long()[:, None, :].expand(values.shape)
    known = known.gather(2, nearest) & inside[:, None, :]
    return moved * known, known


def _wander(
    values: Tensor, views: SignalViews, rate: float, random: StepRandom, name: str
) -> Tensor:
    """Draw slow waves of one frequency a record, with an amplitude and a phase for each lead."""
    slow, fast = views.wander_hz
    hertz = slow + (fast - slow) * random.uniform(f"wander hz{name}")
    size, phase = random.uniform(f"wander{name}", values.shape[1], 2).unbind(2)
    seconds = torch.arange(values.shape[2], device=values.device) / rate
    turns = hertz[:, None, None] * seconds + phase[:, :, None]
    return views.wander * size[:, :, None] * torch.sin(2 * math.pi * turns)
