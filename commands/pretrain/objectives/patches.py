"""Cut inputs of any number of axes into patches, hide some, and reassemble them.

An input [B,C,*space] has one, two or three axes beside its channels: a signal, an image, a volume.
A patch is `p` long along each of them. Patches come in the order of the encoder's tokens, the last
axis running fastest, and are flattened with the channels last: P = p₁ ⋯ pₖ C numbers a patch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

Grid = tuple[int, ...]
"""Patches along each axis."""


class Split(NamedTuple):
    """Which patches are visible [B,V] and which hidden [B,M], as indices into the N patches."""

    visible: Tensor
    hidden: Tensor


def grid_of(values: Tensor, patch: Sequence[int]) -> Grid:
    """How many whole patches there are along each axis of [B,C,*space]."""
    return tuple(side // size for side, size in zip(values.shape[2:], patch, strict=True))


def patchify(values: Tensor, patch: Sequence[int]) -> Tensor:
    """Cut [B,C,*space] into patches [B,N,P]."""
    batch, channels = values.shape[:2]
    grid = grid_of(values, patch)
    pairs = [side for pair in zip(grid, patch, strict=True) for side in pair]
    places = [2 + 2 * axis for axis in range(len(grid))]
    within = [place + 1 for place in places]
    blocks = values.reshape(batch, channels, *pairs).permute(0, *places, *within, 1)
    return blocks.reshape(batch, math.prod(grid), math.prod(patch) * channels)


def unpatchify(patches: Tensor, patch: Sequence[int], grid: Grid) -> Tensor:
    """Reassemble patches [B,N,P], the inverse of `patchify`."""
    count = len(grid)
    blocks = patches.reshape(patches.shape[0], *grid, *patch, -1)
    pairs = [place for axis in range(count) for place in (1 + axis, 1 + count + axis)]
    sides = [number * size for number, size in zip(grid, patch, strict=True)]
    return blocks.permute(0, -1, *pairs).reshape(patches.shape[0], -1, *sides)


def choose_hidden(noise: Tensor, ratio: float) -> Split:
    """Keep the ⌊(1 − ratio) N⌋ patches with the smallest noise [B,N] visible, one at least."""
    keep = max(1, math.floor((1 - ratio) * noise.shape[1] + 1e-9))
    order = noise.argsort(dim=1, stable=True)
    return Split(order[:, :keep], order[:, keep:])


def take(tokens: Tensor, index: Tensor) -> Tensor:
    """Pick tokens [B,N,D] by index [B,n] → [B,n,D]."""
    return tokens.gather(1, index.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))


def normalise_patches(patches: Tensor) -> Tensor:
    """Bring every patch [..., P] to mean 0 and variance 1."""
    return (patches - patches.mean(dim=-1, keepdim=True)) / patch_std(patches)


def patch_std(patches: Tensor) -> Tensor:
    """Give √(variance + 10⁻⁶) of every patch [..., P], as [..., 1]."""
    return (patches.var(dim=-1, keepdim=True) + 1e-6).sqrt()
