"""Bringing another network's tensors to this one's shapes: positions and the first filters.

A picture's filters become those of a volume by inflation (Carreira & Zisserman, CVPR 2017, I3D):
repeated along the depth and divided by it, so that a volume of equal slices gives what the picture
gave. Filters of another patch size are resampled as FlexiViT does (Beyer et al., CVPR 2023).
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
    """Tensors under the same names, those that can be brought to the backbone's shapes replaced.

    Args:
        given: under timm's names.
        backbone: what they are for.
        grid: of the network they come from; None: the backbone's own where that fits, or a square.
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
    """Bring `pos_embed` [1,P+N,D] to the prefix tokens and the grid of the backbone."""
    vit: Any = backbone.net
    table = tensors.get("pos_embed")
    if table is None or table.ndim != 3 or table.shape[-1] != vit.pos_embed.shape[-1]:
        return
    found = _layout(table.shape[1], tensors, backbone.grid, grid)
    if found is None:
        return
    count, had = found
    prefix, patches = table[:, :count], table[:, count:]
    if had != backbone.grid:
        resized = _on_grid(patches, had=had, wanted=backbone.grid)
        if resized is None:
            return
        patches = resized
    wanted = 0 if vit.no_embed_class else vit.num_prefix_tokens
    if count and not wanted and vit.cls_token is not None and "cls_token" in tensors:
        # The position of the class token goes into the token itself: the sum is the same.
        tensors["cls_token"] = tensors["cls_token"] + prefix[:, :1]
    if wanted > count:
        prefix = torch.cat([prefix, prefix.new_zeros(1, wanted - count, prefix.shape[-1])], dim=1)
    fitted = torch.cat([prefix[:, :wanted], patches], dim=1)
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
    patches: torch.Tensor, *, had: tuple[int, ...], wanted: tuple[int, ...]
) -> torch.Tensor | None:
    """Positions [1,N,D] on another grid; those of a picture are repeated along a depth."""
    if len(had) == len(wanted):
        return resize(patches, had=had, wanted=wanted)
    if (len(had), len(wanted)) == (2, 3):
        return resize(patches, had=had, wanted=wanted[1:]).repeat(1, wanted[0], 1)
    return None


def _fit_filters(weight: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Filters [E,C,*patch] for other channels, another patch or a depth; else as they are."""
    from timm.layers.patch_embed import resample_patch_embed
    from timm.models import adapt_input_conv

    flat = weight
    had, channels = weight.shape[1], wanted.shape[1]
    if had != channels:
        if {had, channels} != {1, 3}:
            return weight
        if channels == 1:
            flat = adapt_input_conv(1, flat)
        else:
            flat = flat.repeat(1, 3, *(1 for _ in flat.shape[2:])) / 3
    plane = wanted.shape[-2:]
    if flat.ndim == 4 and wanted.ndim in (4, 5) and flat.shape[2:] != plane:
        flat = resample_patch_embed(flat.float(), new_size=list(plane)).to(weight.dtype)
    if flat.ndim == 4 and wanted.ndim == 5:
        depth = wanted.shape[2]
        flat = flat.unsqueeze(2).repeat(1, 1, depth, 1, 1) / depth
    return flat
