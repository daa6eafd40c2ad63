"""From fitted samples to network input: the one place where normalisation happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from medfm_cli.data.inputs import AnyInput


def normalise(
    values: torch.Tensor, preprocessing: AnyInput, *, device: torch.device | str | None = None
) -> torch.Tensor:
    """What `preprocessing.fit` gave (or random views of it, as floats) as the network takes it.

    Images `[B,C,S,S]` and volumes `[B,C,D,H,W]` are scaled to [0,1] (greys from 0…255, CT from
    its window in HU, cut at its ends), less the mean, divided by the standard deviation. Signals,
    series and sound are standardised already, when they are fitted.

    The numbers travel to `device` before they become floats: a quarter of the transfer for bytes.
    The exported ONNX graph holds this same function.

    Returns:
        float32 of the same shape on `device` (where the values are, when not given).
    """
    if device is not None:
        values = values.to(device, non_blocking=True)
    if preprocessing.kind == "image":
        mean = torch.tensor(preprocessing.mean, dtype=torch.float32, device=values.device)
        std = torch.tensor(preprocessing.std, dtype=torch.float32, device=values.device)
        scaled = values.to(torch.float32) / 255.0
        return (scaled - mean.view(1, -1, 1, 1)) / std.view(1, -1, 1, 1)
    if preprocessing.kind == "volume":
        low, high = preprocessing.range
        scaled = ((values.to(torch.float32) - low) / (high - low)).clamp(0.0, 1.0)
        return (scaled - preprocessing.mean) / preprocessing.std
    return values.to(torch.float32)
