"""Normalisation, from fitted samples to network input: the only place where it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from medfm_cli.data.inputs import AnyInput


def normalise(
    values: torch.Tensor, preprocessing: AnyInput, *, device: torch.device | str | None = None
) -> torch.Tensor:
    """Normalise the output of `preprocessing.fit`, or random views of it as floats.

    Images `[B,C,S,S]` and volumes `[B,C,D,H,W]` are scaled to [0,1] (images from 0…255, CT from
    its window in HU, clipped) and standardised. Signals, series and audio are already standardised
    by `preprocessing.fit`.

    Values move to `device` before the conversion to float, which quarters the transfer of bytes.
    The exported ONNX graph contains this function.

    Returns:
        float32 of the same shape on `device` (default: the device of the values).
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
