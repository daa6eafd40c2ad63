"""Where a patch lies: tables of sines and cosines for any number of axes, and their resizing."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def sincos(grid: tuple[int, ...], dim: int) -> torch.Tensor:
    """Sines and cosines of every place in a grid of n axes, float32 [N,dim], row by row.

    The width is shared by the axes, as MAE's 2D table does and its 3D followers do: each axis has
    b = ⌊dim / 2n⌋ frequencies 10000^(−k/b), and the order is all sines (axis by axis), then all
    cosines: timm's `build_sincos2d_pos_embed` for two axes. What is left of the width when 2n does
    not divide it (a few numbers in 3D) stays zero.
    """
    from timm.layers.pos_embed_sincos import freq_bands

    axes = len(grid)
    bands = freq_bands(dim // (2 * axes), temperature=10000.0, step=1)
    lines = [torch.arange(side, dtype=torch.float32) for side in grid]
    places = torch.stack(torch.meshgrid(*lines, indexing="ij")).flatten(1).T
    angles = places.unsqueeze(-1) * bands
    table = torch.stack([angles.sin(), angles.cos()], dim=1).flatten(1)
    return F.pad(table, (0, dim - table.shape[1]))


def resize(table: torch.Tensor, *, had: tuple[int, ...], wanted: tuple[int, ...]) -> torch.Tensor:
    """Bring positions [1,N,D] of the grid `had` to the grid `wanted`.

    Linear along one axis, trilinear along three, and in the plane bicubic: timm's own rule, so that
    models of timm behave as in timm.
    """
    if had == wanted:
        return table
    if len(had) == 2:
        return _resize_plane(table, had=had, wanted=wanted)
    field = table.float().reshape(1, *had, -1).movedim(-1, 1)
    mode = "linear" if len(had) == 1 else "trilinear"
    field = F.interpolate(field, size=wanted, mode=mode, align_corners=False)
    return field.flatten(2).transpose(1, 2).to(table.dtype)


def _resize_plane(
    table: torch.Tensor, *, had: tuple[int, ...], wanted: tuple[int, ...]
) -> torch.Tensor:
    from timm.layers.pos_embed import resample_abs_pos_embed

    resized: torch.Tensor = resample_abs_pos_embed(
        table, new_size=list(wanted), old_size=list(had), num_prefix_tokens=0
    )
    return resized
