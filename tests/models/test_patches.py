"""Backbones over 1 to 3 axes: volumes, signals, series and sounds behind the face of images."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from timm.layers.pos_embed_sincos import build_sincos2d_pos_embed
from torch import nn
from torch.nn import functional as F

from medfm_cli.models.backbones import Backbone, build_backbone
from medfm_cli.models.positions import resize, sincos
from medfm_cli.models.spec import PRESETS, PatchSpec

KINDS: dict[str, dict[str, Any]] = {
    "volume": {"shape": [8, 16, 24], "patch": [4, 8, 8], "channels": 1},
    "signal": {"shape": [200], "patch": [25], "channels": 12},
    "series": {"shape": [48], "patch": [2], "channels": 34},
    "audio": {"shape": [32, 48], "patch": [16, 16], "channels": 1},
}
GRIDS = {"volume": (2, 2, 3), "signal": (8,), "series": (24,), "audio": (2, 3)}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def built(kind: str, **options: Any) -> Backbone:
    spec = PatchSpec.model_validate({"kind": kind, "name": "vit_xxs", **KINDS[kind], **options})
    return build_backbone(spec, seed=1).eval()


def values(spec: PatchSpec, *space: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, spec.channels, *(space or spec.shape), generator=generator)


@EVERY_KIND
@pytest.mark.parametrize("options", [{}, {"registers": 2, "class_token": True, "mlp": "swiglu"}])
def test_embed_and_encode_together_are_timms_own_forward(
    kind: str, options: dict[str, Any]
) -> None:
    backbone = built(kind, **options)
    given = values(backbone.spec)  # type: ignore[arg-type]
    expected = backbone.net.forward_features(given)[:, backbone.net.num_prefix_tokens :]
    tokens = backbone.tokens(given)
    torch.testing.assert_close(tokens, expected)
    torch.testing.assert_close(backbone(given), tokens.mean(dim=1))
    assert backbone.maskable
    assert (backbone.grid, backbone.patch) == (GRIDS[kind], tuple(KINDS[kind]["patch"]))
    assert tokens.shape == (2, torch.tensor(GRIDS[kind]).prod(), backbone.dim)


@EVERY_KIND
def test_a_token_sees_its_own_patch_and_they_come_row_by_row(kind: str) -> None:
    """Changing the values of one patch changes its token, and no other, before the blocks."""
    backbone = built(kind)
    given = values(backbone.spec)  # type: ignore[arg-type]
    place = tuple(count - 1 for count in backbone.grid)
    changed = given.clone()
    where = (slice(p * s, p * s + s) for p, s in zip(place, backbone.patch, strict=True))
    changed[(slice(None), slice(None), *where)] += 1
    differs = (backbone.embed(given) != backbone.embed(changed)).any(dim=(0, 2))
    assert differs.nonzero().flatten().tolist() == [len(differs) - 1]


@EVERY_KIND
def test_patches_are_a_linear_map_of_their_values(kind: str) -> None:
    """The convolution against the same thing by hand: unfold, then multiply."""
    backbone = built(kind, channels=3)
    given = values(backbone.spec)  # type: ignore[arg-type]
    proj: Any = backbone.net.patch_embed.proj
    parts = given
    for axis, side in enumerate(backbone.patch):
        parts = parts.unfold(2 + axis, side, side)
    axes = len(backbone.patch)
    rows = parts.flatten(2, 1 + axes).transpose(1, 2).flatten(2)
    expected = rows @ proj.weight.flatten(1).T + proj.bias + backbone.positions(backbone.grid)
    torch.testing.assert_close(backbone.embed(given), expected, atol=1e-5, rtol=1e-4)


def test_sines_in_the_plane_are_timms() -> None:
    expected = build_sincos2d_pos_embed([5, 7], dim=64)
    assert torch.equal(sincos((5, 7), 64), expected)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("grid", [(11,), (3, 5), (2, 3, 4)])
def test_every_place_has_its_own_sines_along_every_axis(name: str, grid: tuple[int, ...]) -> None:
    dim = PRESETS[name].dim
    table = sincos(grid, dim)
    assert len(table.unique(dim=0)) == len(table) == torch.tensor(grid).prod()
    bands = dim // (2 * len(grid))
    lines = table[:, : 2 * len(grid) * bands].reshape(*grid, 2, len(grid), bands)
    for axis in range(len(grid)):
        # sin² + cos² = 1, and a place's numbers for an axis depend on that axis alone
        line = lines[..., axis, :].movedim(axis, 0)
        torch.testing.assert_close(line.square().sum(dim=-2), torch.ones(*line.shape[:-2], bands))
        flat = line.reshape(grid[axis], -1, 2, bands)
        assert torch.equal(flat, flat[:, :1].expand_as(flat))
    assert not table[:, 2 * len(grid) * bands :].any()


def test_one_encoder_serves_volumes_of_every_depth() -> None:
    """RadFM: a picture is a volume of depth 4, and series of slices have 4, 8, …"""
    backbone = built("volume", shape=[16, 16, 16])
    spec = backbone.spec
    assert isinstance(spec, PatchSpec)
    for depth in (4, 8, 16, 32):
        given = values(spec, depth, 16, 16)
        assert backbone.grid_of(given) == (depth // 4, 2, 2)
        assert backbone.tokens(given).shape == (2, depth, 64)
    picture = backbone.positions((1, 2, 2)).reshape(2, 2, 64)
    middle = backbone.positions((4, 2, 2)).reshape(4, 2, 2, 64)[1:3].mean(dim=0)
    torch.testing.assert_close(picture, middle)


@pytest.mark.parametrize(("had", "wanted"), [((6,), (9,)), ((2, 3, 4), (4, 3, 2))])
def test_positions_are_resized_as_torch_does(had: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    table = sincos(had, 24)[None]
    mode = "linear" if len(had) == 1 else "trilinear"
    one = F.interpolate(table[0, :, 5].reshape(1, 1, *had), size=wanted, mode=mode)
    torch.testing.assert_close(resize(table, old=had, new=wanted)[0, :, 5], one.flatten())
    assert resize(table, old=had, new=had) is table


def test_resized_positions_are_trained_through() -> None:
    backbone = built("signal")
    backbone.tokens(values(backbone.spec, 300)).sum().backward()  # type: ignore[arg-type]
    gradient = backbone.net.pos_embed.grad
    assert gradient is not None and gradient.any()


@EVERY_KIND
def test_what_cannot_be_cut_into_patches_is_refused(kind: str) -> None:
    backbone = built(kind)
    odd = [side + 1 for side in KINDS[kind]["shape"]]
    with pytest.raises(ValueError, match="cannot be cut into patches"):
        backbone.embed(values(backbone.spec, *odd))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not one size"):
        _ = backbone.patch_size


def test_gated_layers_are_as_wide_as_those_of_dinov2() -> None:
    """ViT-g of DINOv2: w12 [8192, 1536], w3 [1536, 4096]; a block has as many weights as plain."""
    from medfm_cli.models.spec import swiglu_width

    assert swiglu_width(1536) == 4096
    for name in ("vit_xxs", "vit_tiny"):
        backbone = built("signal", name=name, mlp="swiglu")
        block: Any = backbone.net.blocks[0]
        width = swiglu_width(backbone.dim)
        assert block.mlp.fc1.weight.shape == (2 * width, backbone.dim)
        assert block.mlp.fc2.weight.shape == (backbone.dim, width)
        assert isinstance(block.mlp.act, nn.SiLU)
