"""Noise for every value of a batch that depends on the row's own draw alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF


def white_noise(like: Tensor, keys: Tensor) -> Tensor:
    """Give N(0, 1) in the shape of `like` [B,…], from a key in U[0,1) [B] for each row.

    `StepRandom` draws for the whole global batch on the CPU, too much for a number a pixel. Here
    the counter of a value and the key of its row are hashed instead (the mixing function
    "lowbias32", Wellons 2018), on the device, and Box & Muller (1958) make normal numbers of the
    uniform ones: the same for any number of processes.
    """
    count = math.prod(like.shape[1:])
    half = (count + 1) // 2
    counter = torch.arange(2 * half, device=like.device)
    seeds = _mix((keys.to(torch.float64) * 2**32).to(torch.int64) + 1)
    bits = _mix(_mix(counter + 1)[None, :] ^ seeds[:, None])
    uniform = ((bits >> 8).to(torch.float32) + 0.5) / 2**24
    radius = (-2 * uniform[:, :half].log()).sqrt()
    angle = 2 * math.pi * uniform[:, half:]
    normal = torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)
    return normal[:, :count].reshape(like.shape)


def _mix(value: Tensor) -> Tensor:
    """Scatter 32-bit numbers, held as int64."""
    value = value ^ (value >> 16)
    value = (value * 0x7FEB352D) & _MASK
    value = value ^ (value >> 15)
    value = (value * 0x846CA68B) & _MASK
    return value ^ (value >> 16)
