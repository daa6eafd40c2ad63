"""Greys and colours of images [B,C,H,W] with values in 0…255; the strengths are one a row, [B]."""

from __future__ import annotations

import torch
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey, ITU-R BT.601."""


def shift_greys(values: Tensor, contrast: Tensor, brightness: Tensor) -> Tensor:
    """Apply x ← b (c (x − m) + m) with m the image's mean, cut to 0…255: black stays black."""
    mean = values.mean(dim=(1, 2, 3), keepdim=True)
    shifted = _wide(contrast * brightness) * values + _wide(brightness * (1 - contrast)) * mean
    return shifted.clamp(0.0, 255.0)


def saturate(values: Tensor, factor: Tensor) -> Tensor:
    """Blend each colour with its grey: 0 leaves the grey, 1 the colour, more exaggerates."""
    grey = _grey(values)
    return (grey + _wide(factor) * (values - grey)).clamp(0.0, 255.0)


def greyscale(values: Tensor) -> Tensor:
    """Replace each colour by its grey, in all channels."""
    return _grey(values).expand_as(values)


def turn_hue(values: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue in HSV by a part of the circle.

    With value V, chroma C (the difference of the largest and smallest channel) and hue h in 0…6,
    a channel is V − C · clamp(min(k, 4 − k), 0, 1) where k = (n + h) mod 6 and n = 5, 3, 1.
    """
    red, green, blue = values.unbind(1)
    value = values.amax(1)
    chroma = value - values.amin(1)
    safe = torch.where(chroma > 0, chroma, 1)
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = hue + 6 * turn.view(-1, 1, 1)
    places = ((n + hue) % 6 for n in (5, 3, 1))
    return torch.stack(
        [value - chroma * torch.minimum(k, 4 - k).clamp(0.0, 1.0) for k in places], dim=1
    )


def solarise(values: Tensor) -> Tensor:
    """Turn over all values from 128 on: x ← 255 − x."""
    return torch.where(values >= 128, 255 - values, values)


def _grey(values: Tensor) -> Tensor:
    red, green, blue = (values[:, i : i + 1] for i in range(3))
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


def _wide(strength: Tensor) -> Tensor:
    return strength.view(-1, 1, 1, 1)
