"""Position embeddings: sine–cosine tables for any number of axes, and resizing."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def sincos(grid: tuple[int, ...], dim: int) -> torch.Tensor:
    """Sines and cosines of every position in a grid of n axes, float32 [N,dim], row by row.

    The axes share the width, as in MAE's 2D table and its 3D successors: each axis has
    b = ⌊dim / 2n⌋ frequencies 10000^(−k/b), and the order is all sines (axis by axis), then all
    cosines: timm's `build_sincos2d_pos_embed` for two axes. If 2n does not divide the width (in
    3D), the last few columns are zero.
    """
    from timm.layers.pos_embed_sincos import freq_bands

    axes = len(grid)
    bands = freq_bands(dim // (2 * axes), temperature=10000.0, step=1)
    lines = [torch.arange(side, dtype=torch.float32) for side in grid]
    positions = torch.stack(torch.meshgrid(*lines, indexing="ij")).flatten(1).T
    angles = positions.unsqueeze(-1) * bands
    table = torch.stack([angles.sin(), angles.cos()], dim=1).flatten(1)
    return F.pad(table, (0, dim - table.shape[1]))


def resize(table: torch.Tensor, *, old: tuple[int, ...], new: tuple[int, ...]) -> torch.Tensor:
    """Resize positions [1,N,D] from the grid `old` to the grid `new`.

    Linear for one axis, trilinear for three, and bicubic for two, so that models of timm behave as
    in timm.
    """
    if old == new:
        return table
    if len(old) == 2:
        return _resize_plane(table, old=old, new=new)
    field = table.float().reshape(1, *old, -1).movedim(-1, 1)
    mode = "linear" if len(old) == 1 else "trilinear"
    field = F.interpolate(field, size=new, mode=mode, align_corners=False)
    return field.flatten(2).transpose(1, 2).to(table.dtype)


def _resize_plane(
    table: torch.Tensor, *, old: tuple[int, ...], new: tuple[int, ...]
) -> torch.Tensor:
    from timm.layers.pos_embed import resample_abs_pos_embed

    resized: torch.Tensor = resample_abs_pos_embed(
        table, new_size=list(new), old_size=list(old), num_prefix_tokens=0
    )
    return resized
