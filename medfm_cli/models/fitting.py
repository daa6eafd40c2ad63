"""Adapt tensors of another network to this one's shapes: position embeddings and input filters.

Filters of images become filters of volumes by inflation (Carreira & Zisserman, CVPR 2017, I3D):
repeated along the depth and divided by it, so that a volume of equal slices gives the same output
as the image. Filters of another patch size are resampled as in FlexiViT (Beyer et al., CVPR 2023).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from medfm_cli.models.positions import resize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medfm_cli.models.backbones import Backbone

    Tensors = dict[str, torch.Tensor]

_FILTERS = ("patch_embed.proj.weight", "conv1.weight", "conv_stem.weight", "stem_0.weight")


def fit_shapes(given: Tensors, backbone: Backbone, *, grid: tuple[int, ...] | None) -> Tensors:
    """The tensors, adapted to the backbone's shapes where possible.

    Args:
        given: under timm's names.
        backbone: the network that receives them.
        grid: of the source network; None: the backbone's grid if it fits, else a square.
    """
    fitting = dict(given)
    expected = backbone.net.state_dict()
    if backbone.maskable:
        _fit_positions(fitting, backbone, grid)
    for name in _FILTERS:
        if name in fitting and name in expected and fitting[name].shape != expected[name].shape:
            fitting[name] = _fit_filters(fitting[name], expected[name])
    return fitting


def _fit_positions(tensors: Tensors, backbone: Backbone, grid: tuple[int, ...] | None) -> None:
    """Adapt `pos_embed` [1,P+N,D] to the prefix tokens and the grid of the backbone."""
    vit: Any = backbone.net
    table = tensors.get("pos_embed")
    if table is None or table.ndim != 3 or table.shape[-1] != vit.pos_embed.shape[-1]:
        return
    layout = _layout(table.shape[1], tensors, backbone.grid, grid)
    if layout is None:
        return
    count, source_grid = layout
    prefix, patches = table[:, :count], table[:, count:]
    if source_grid != backbone.grid:
        resized = _on_grid(patches, old=source_grid, new=backbone.grid)
        if resized is None:
            return
        patches = resized
    prefix_tokens = 0 if vit.no_embed_class else vit.num_prefix_tokens
    if count and not prefix_tokens and vit.cls_token is not None and "cls_token" in tensors:
        # The position of the class token is added to the token itself: the sum is the same.
        tensors["cls_token"] = tensors["cls_token"] + prefix[:, :1]
    if prefix_tokens > count:
        padding = prefix.new_zeros(1, prefix_tokens - count, prefix.shape[-1])
        prefix = torch.cat([prefix, padding], dim=1)
    fitted = torch.cat([prefix[:, :prefix_tokens], patches], dim=1)
    if fitted.shape != table.shape or not torch.equal(fitted, table):
        tensors["pos_embed"] = fitted


def _layout(
    length: int,
    tensors: Mapping[str, torch.Tensor],
    own: tuple[int, ...],
    grid: tuple[int, ...] | None,
) -> tuple[int, tuple[int, ...]] | None:
    """How many of a table's rows belong to class and register tokens, and the grid of the rest."""
    if grid is not None:
        count = length - math.prod(grid)
        return (count, grid) if count >= 0 else None
    most = sum(tensors[name].shape[1] for name in ("cls_token", "reg_token") if name in tensors)
    counts = list(dict.fromkeys((int("cls_token" in tensors), most, 0, 1)))
    for count in counts:
        if length - count == math.prod(own):
            return count, own
    for count in counts:
        side = math.isqrt(max(0, length - count))
        if side and side**2 == length - count:
            return count, (side, side)
    return None


def _on_grid(
    patches: torch.Tensor, *, old: tuple[int, ...], new: tuple[int, ...]
) -> torch.Tensor | None:
    """Positions [1,N,D] on another grid; 2D positions are repeated along the depth."""
    if len(old) == len(new):
        return resize(patches, old=old, new=new)
    if (len(old), len(new)) == (2, 3):
        return resize(patches, old=old, new=new[1:]).repeat(1, new[0], 1)
    return None


def _fit_filters(weight: torch.Tensor, expected: torch.Tensor) -> torch.Tensor:
    """Filters [E,C,*patch] for other channels, another patch size or a depth; else unchanged."""
    from timm.layers.patch_embed import resample_patch_embed
    from timm.models import adapt_input_conv

    flat = weight
    old_channels, channels = weight.shape[1], expected.shape[1]
    if old_channels != channels:
        if {old_channels, channels} != {1, 3}:
            return weight
        if channels == 1:
            flat = adapt_input_conv(1, flat)
        else:
            flat = flat.repeat(1, 3, *(1 for _ in flat.shape[2:])) / 3
    plane = expected.shape[-2:]
    if flat.ndim == 4 and expected.ndim in (4, 5) and flat.shape[2:] != plane:
        flat = resample_patch_embed(flat.float(), new_size=list(plane)).to(weight.dtype)
    if flat.ndim == 4 and expected.ndim == 5:
        depth = expected.shape[2]
        flat = flat.unsqueeze(2).repeat(1, 1, depth, 1, 1) / depth
    return flat
