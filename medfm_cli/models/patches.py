"""Patch embedding of volumes, signals, series and audio: one convolution without overlap."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

_CONVOLUTIONS: dict[int, type[nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class PatchEmbedding(nn.Module):
    """Values [B,C,*space] to patches [B,N,D], row by row: timm's PatchEmbed for 1 to 3 axes.

    timm's VisionTransformer builds it instead of its own, so the arguments have timm's names.
    """

    def __init__(
        self,
        *,
        img_size: tuple[int, ...],
        patch_size: tuple[int, ...],
        in_chans: int,
        embed_dim: int,
        bias: bool = True,
        **_: Any,
    ) -> None:
        super().__init__()
        self.patch_size = patch_size
        pairs = zip(img_size, patch_size, strict=True)
        self.grid_size = tuple(side // patch for side, patch in pairs)
        self.num_patches = math.prod(self.grid_size)
        convolution = _CONVOLUTIONS[len(patch_size)]
        self.proj = convolution(
            in_chans, embed_dim, kernel_size=patch_size, stride=patch_size, bias=bias
        )
        self.norm = nn.Identity()

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Patches [B,N,D] of values [B,C,*space]."""
        patches: torch.Tensor = self.proj(values)
        return patches.flatten(2).transpose(1, 2)
