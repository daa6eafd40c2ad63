"""From stored pixels to network input: the one place where normalisation happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from medfm_cli.data.preprocess import Preprocessing


def normalise(
    images: torch.Tensor, preprocessing: Preprocessing, *, device: torch.device | str | None = None
) -> torch.Tensor:
    """Scale uint8 [B,C,S,S] to [0,1], subtract the mean, divide by the standard deviation.

    The bytes travel to `device` before they become floats: a quarter of the transfer.
    The exported ONNX graph holds this same function.

    Returns:
        float32 [B,C,S,S] on `device` (where the images are, when not given).
    """
    if device is not None:
        images = images.to(device, non_blocking=True)
    mean = torch.tensor(preprocessing.mean, dtype=torch.float32, device=images.device)
    std = torch.tensor(preprocessing.std, dtype=torch.float32, device=images.device)
    scaled = images.to(torch.float32) / 255.0
    return (scaled - mean.view(1, -1, 1, 1)) / std.view(1, -1, 1, 1)
