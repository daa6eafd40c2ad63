"""Random views of images: geometry first, then greys and colours, as SimCLR and BYOL do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from medfm_cli.training.views import colours
from medfm_cli.training.views.cropping import draw_crop
from medfm_cli.training.views.noise import white_noise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from medfm_cli.training.augmentations import ImageViews
    from medfm_cli.training.randomness import StepRandom


def image_views(
    values: Tensor,
    views: ImageViews,
    random: StepRandom,
    *,
    name: str = "",
    crop: Sequence[float] | None = None,
    size: int | None = None,
) -> Tensor:
    """Draw a view of uint8 images [B,C,S,S]: float32 [B,C,S,S] (or `size`) in 0…255.

    `models.inputs.normalise` takes it as it takes bytes. The order: crop, turn and mirror;
    contrast and brightness; saturation; hue; greyscale; blur; solarise; noise. Images of one
    channel have no colour to change.
    """
    values, source = values.float(), (values.shape[2], values.shape[3])
    cut = draw_crop(views, random, source=source, name=name, crop=crop, size=size)
    seen = _jitter(values if cut is None else cut.images(values), views, random, name)
    if views.greyscale and seen.shape[1] == 3:
        seen = _some(seen, random.uniform(f"greyscale{name}") < views.greyscale, colours.greyscale)
    if views.blur:
        small, large = views.blur_sigma
        sigma = small + (large - small) * random.uniform(f"sigma{name}")
        radius = math.ceil(3 * large)
        chosen = random.uniform(f"blur{name}") < views.blur
        seen = _some(seen, chosen, lambda x, s: blur(x, s, radius=radius), sigma)
    if views.solarise:
        seen = _some(seen, random.uniform(f"solarise{name}") < views.solarise, colours.solarise)
    if views.noise:
        strength, key = random.uniform(f"noise{name}", 2).unbind(1)
        strength = (255 * views.noise * strength).view(-1, 1, 1, 1)
        seen = (seen + strength * white_noise(seen, key)).clamp(0.0, 255.0)
    return seen


def _jitter(values: Tensor, views: ImageViews, random: StepRandom, name: str) -> Tensor:
    """Change greys and colours of the chosen images."""
    chosen = None
    if views.jitter < 1:
        chosen = random.uniform(f"jitter{name}") < views.jitter
    if views.brightness or views.contrast:
        draws = 2 * random.uniform(f"greys{name}", 2) - 1
        contrast, brightness = 1 + views.contrast * draws[:, 0], 1 + views.brightness * draws[:, 1]
        values = _some(values, chosen, colours.shift_greys, contrast, brightness)
    if (views.saturation or views.hue) and values.shape[1] == 3:
        draws = 2 * random.uniform(f"colours{name}", 2) - 1
        if views.saturation:
            factor = 1 + views.saturation * draws[:, 0]
            values = _some(values, chosen, colours.saturate, factor)
        if views.hue:
            values = _some(values, chosen, colours.turn_hue, views.hue * draws[:, 1])
    return values


def blur(values: Tensor, sigma: Tensor, *, radius: int) -> Tensor:
    """Blur images [B,C,H,W] with a Gaussian of `sigma` [B] pixels, cut at `radius`.

    Along one side after the other, reflected at the edges.
    """
    batch, channels, height, width = values.shape
    radius = min(radius, height - 1, width - 1)
    places = torch.arange(-radius, radius + 1, device=values.device)
    kernel = torch.exp(-(places**2) / (2 * sigma[:, None] ** 2))
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    kernel = kernel.repeat_interleave(channels, dim=0)[:, None]
    padded = functional.pad(values, (radius, radius, radius, radius), mode="reflect")
    flat = padded.reshape(1, batch * channels, height + 2 * radius, width + 2 * radius)
    flat = functional.conv2d(flat, kernel[:, :, None, :], groups=batch * channels)
    flat = functional.conv2d(flat, kernel[:, :, :, None], groups=batch * channels)
    return flat.reshape(values.shape)


def _some(
    values: Tensor,
    chosen: Tensor | None,
    change: Callable[..., Tensor],
    *strengths: Tensor,
) -> Tensor:
    """Change the chosen rows (all without a choice), each by its strengths.

    On the CPU the others cost nothing; a GPU would have to wait for their number, and changes all.
    """
    if chosen is None:
        return change(values, *strengths)
    if values.device.type == "cpu":
        rows = chosen.nonzero()[:, 0]
        if not len(rows):
            return values
        picked = (strength[rows] for strength in strengths)
        return values.index_copy(0, rows, change(values[rows], *picked))
    return torch.where(chosen.view(-1, 1, 1, 1), change(values, *strengths), values)
