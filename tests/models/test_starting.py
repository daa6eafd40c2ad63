"""Starting weights: what is renamed, resized, inflated, refused; and where they are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.errors import DataError
from medfm_cli.models.backbones import Backbone, build_backbone
from medfm_cli.models.config import ModelConfig
from medfm_cli.models.directory import save_model
from medfm_cli.models.fitting import fit_shapes
from medfm_cli.models.origin import find_weights, load_initial_weights
from medfm_cli.models.spec import BackboneSpec, PatchSpec
from medfm_cli.models.weights import load_backbone_weights


def image(seed: int = 1, **options: Any) -> Backbone:
    spec = {"name": "vit_xxs", "image_size": 32, "channels": 3}
    return build_backbone(BackboneSpec(**{**spec, **options}), seed=seed).eval()


def volume(seed: int = 2, **options: Any) -> Backbone:
    shape = {"shape": [8, 32, 32], "patch": [4, 8, 8], "channels": 3}
    spec = PatchSpec(**{"kind": "volume", "name": "vit_xxs", **shape, **options})
    return build_backbone(spec, seed=seed).eval()


def dinov2_file(source: Backbone, path: Path, *, chunks: bool) -> Path:
    """DINOv2's names: registers, gated layers, blocks in chunks, `teacher`, beside a head."""
    names = {".mlp.fc1.": ".mlp.w12.", ".mlp.fc2.": ".mlp.w3."}
    tensors = {}
    for name, value in source.net.state_dict().items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        if name == "reg_token":
            name = "register_tokens"
        if chunks and name.startswith("blocks."):
            name = name.replace("blocks.", f"blocks.{int(name.split('.')[1]) // 2}.", 1)
        tensors[name] = value
    place = torch.randn(1, 1, source.dim)
    tensors["pos_embed"] = torch.cat([place, tensors["pos_embed"]], dim=1)
    tensors["cls_token"] = tensors["cls_token"] - place
    tensors["mask_token"] = torch.zeros(1, source.dim)
    if chunks:
        tensors = {f"module.backbone.{name}": value for name, value in tensors.items()}
        tensors["module.dino_head.mlp.0.weight"] = torch.zeros(3)
    torch.save({"teacher": tensors, "iteration": 7} if chunks else tensors, path)
    return path


@pytest.mark.parametrize("chunks", [False, True], ids=["published", "checkpoint of training"])
def test_files_of_dinov2_give_the_same_tokens(tmp_path: Path, chunks: bool) -> None:
    options = {"registers": 4, "class_token": True, "layer_scale": 0.1, "mlp": "swiglu"}
    source, target = image(1, **options), image(2, **options)
    path = dinov2_file(source, tmp_path / "dinov2.pth", chunks=chunks)
    report = load_backbone_weights(target, path)
    pixels = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(target.tokens(pixels), source.tokens(pixels), atol=1e-5, rtol=1e-5)
    prefix = "module.backbone." if chunks else ""
    assert report.renamed[f"{prefix}register_tokens"] == "reg_token"
    inner = "1.3" if chunks else "3"
    assert report.renamed[f"{prefix}blocks.{inner}.mlp.w12.weight"] == "blocks.3.mlp.fc1.weight"
    head = ["module.dino_head.mlp.0.weight"] if chunks else []
    assert report.unexpected == sorted([f"{prefix}mask_token", *head])


def test_a_file_of_mae_gives_the_same_tokens(tmp_path: Path) -> None:
    source, target = image(1, class_token=True), image(2, class_token=True)
    tensors = dict(source.net.state_dict())
    tensors["pos_embed"] = torch.cat([torch.zeros(1, 1, 64), tensors["pos_embed"]], dim=1)
    tensors |= {"decoder_pos_embed": torch.zeros(1, 17, 8), "mask_token": torch.zeros(1, 1, 8)}
    torch.save({"model": tensors, "epoch": 799}, tmp_path / "mae.pth")
    report = load_backbone_weights(target, tmp_path / "mae.pth")
    pixels = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(target.tokens(pixels), source.tokens(pixels))
    assert report.unexpected == ["decoder_pos_embed", "mask_token"]


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_encoder_sees_in_a_volume_of_equal_slices_what_it_saw_in_the_slice(
    tmp_path: Path, channels: Any
) -> None:
    """Inflation: every token of the volume is that of the picture, where positions are equal."""
    source, target = image(), volume(shape=[4, 32, 32], channels=channels)
    save_file(source.net.state_dict(), tmp_path / "image.safetensors")
    report = load_backbone_weights(target, tmp_path / "image.safetensors")
    assert report.coverage == 1.0
    assert report.resized == ["patch_embed.proj.weight"]  # one patch deep: the grid is 1 × 4 × 4
    grey = torch.randn(2, 1, 32, 32)
    flat = grey.unsqueeze(2).expand(-1, channels, 4, -1, -1)
    expected = source.tokens(grey.expand(-1, 3, -1, -1))
    torch.testing.assert_close(target.tokens(flat), expected, atol=1e-5, rtol=1e-4)


def test_a_depth_of_several_patches_repeats_the_positions(tmp_path: Path) -> None:
    source, target = image(), volume()
    save_file(source.net.state_dict(), tmp_path / "image.safetensors")
    report = load_backbone_weights(target, tmp_path / "image.safetensors")
    assert report.resized == ["patch_embed.proj.weight", "pos_embed"]
    places = target.net.pos_embed.reshape(2, 16, 64)
    assert torch.equal(places[0], source.net.pos_embed[0])
    assert torch.equal(places[1], source.net.pos_embed[0])


def test_a_signal_keeps_its_own_filters_and_positions(tmp_path: Path) -> None:
    """Image patches do not fit a signal: blocks are loaded, and the rest is reported as missing."""
    save_file(image().net.state_dict(), tmp_path / "image.safetensors")
    spec = PatchSpec(kind="signal", name="vit_xxs", shape=[200], patch=[25], channels=12)
    target = build_backbone(spec, seed=2)
    with pytest.raises(DataError, match="are required"):
        load_backbone_weights(target, tmp_path / "image.safetensors")
    report = load_backbone_weights(target, tmp_path / "image.safetensors", coverage=0.8)
    assert report.missing == ["patch_embed.proj.weight", "pos_embed"]


def test_patches_of_another_size_are_resampled_as_flexivit_does(tmp_path: Path) -> None:
    from timm.layers.patch_embed import resample_patch_embed

    source, target = image(), image(2, patch_size=4)
    save_file(source.net.state_dict(), tmp_path / "image.safetensors")
    report = load_backbone_weights(target, tmp_path / "image.safetensors")
    assert report.resized == ["patch_embed.proj.weight", "pos_embed"]
    weight: Any = source.net.patch_embed.proj.weight
    expected = resample_patch_embed(weight, new_size=[4, 4])
    found: Any = target.net.patch_embed.proj.weight
    torch.testing.assert_close(found, expected)


def test_a_volume_of_another_depth_is_told_by_the_grid_of_its_model(tmp_path: Path) -> None:
    """8 × 4 × 4 patches are no square: only who knows the grid can resize their positions."""
    source, target = volume(shape=[32, 32, 32]), volume()
    tensors = dict(source.net.state_dict())
    known = fit_shapes(tensors, target, grid=(8, 4, 4))["pos_embed"]
    torch.testing.assert_close(known, source.positions((2, 4, 4)))
    assert fit_shapes(tensors, target, grid=None)["pos_embed"] is tensors["pos_embed"]


def a_model(folder: Path, backbone: Backbone) -> Path:
    config = ModelConfig(
        kind="encoder",
        backbone=backbone.spec,
        preprocessing=Preprocessing(size=32, channels=3),
    )
    save_model(folder, backbone, config)
    return folder


def test_a_model_directory_is_loaded_whole_and_checked(tmp_path: Path) -> None:
    source, target = image(1), image(2)
    folder = a_model(tmp_path / "run" / "model", source)
    origin = find_weights(str(tmp_path / "run"))
    report = load_initial_weights(origin, target, coverage=1.0)
    assert (report.coverage, report.renamed, report.resized) == (1.0, {}, [])
    assert origin.config is not None and origin.sha256() == origin.config.weights_sha256
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(DataError, match="sha256 differs"):
        load_initial_weights(origin, target, coverage=1.0)


def test_a_part_of_a_block_is_refused_whatever_the_demand(tmp_path: Path) -> None:
    tensors = dict(image().net.state_dict())
    del tensors["blocks.2.attn.proj.bias"]
    save_file(tensors, tmp_path / "torn.safetensors")
    with pytest.raises(DataError, match=r"lacks blocks\.2\.attn\.proj\.bias, but has other parts"):
        load_backbone_weights(image(2), tmp_path / "torn.safetensors", coverage=0.1)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("nowhere", "the path does not exist"),
        ("empty", "has no supported weights"),
    ],
)
def test_what_is_not_there_is_a_data_error(tmp_path: Path, reference: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=message):
        find_weights(str(tmp_path / reference))
