"""What is taken away from samples: a piece of an axis, or whole channels."""

from __future__ import annotations

import torch
from torch import Tensor


def window(uniform: Tensor, count: int, largest: float) -> Tensor:
    """Say which of `count` places lie in a random piece, [B,count], from draws in U[0,1) [B,2].

    Its length is a whole number from 0 to ⌊`largest` · count⌋, and its start uniform where it fits.
    """
    length = (uniform[:, 0] * (int(largest * count) + 1)).floor()
    start = (uniform[:, 1] * (count - length + 1)).floor()
    places = torch.arange(count, device=uniform.device)
    return (places >= start[:, None]) & (places < (start + length)[:, None])


def keep_one(uniform: Tensor, there: Tensor, chance: float) -> Tensor:
    """Say which channels stay, bool [B,C], when each is dropped with a chance.

    Of the channels that are `there` [B,C] the one with the largest draw [B,C] stays always: a
    sample with nothing in it teaches nothing.
    """
    best = torch.where(there, uniform, -1.0).argmax(dim=1, keepdim=True)
    return (uniform >= chance).scatter(1, best, True)
