"""Weights files: all of it, or an error; never a pickle that could run code."""

from __future__ import annotations

import argparse
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from medfm_cli.errors import DataError
from medfm_cli.models.backbones import Backbone, build_backbone
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.models.weights import load_backbone_weights, read_tensors


def xxs(seed: int = 1, **options: Any) -> Backbone:
    return build_backbone(BackboneSpec(name="vit_xxs", **options), seed=seed)


def state(backbone: Backbone, prefix: str = "") -> dict[str, torch.Tensor]:
    return {prefix + name: value.clone() for name, value in backbone.net.state_dict().items()}


def same(left: Backbone, right: Backbone) -> bool:
    pairs = zip(left.net.state_dict().values(), right.net.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("prefix", ["", "module.", "module.backbone.", "encoder.", "backbone.net."])
def test_prefixes_are_taken_off(tmp_path: Path, prefix: str) -> None:
    source, target = xxs(1), xxs(2)
    save_file(state(source, prefix), tmp_path / "weights.safetensors")
    report = load_backbone_weights(target, tmp_path / "weights.safetensors")
    assert report.coverage == 1.0
    assert same(source, target)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tensors: tensors,
        lambda tensors: {"model": tensors, "epoch": 3, "args": argparse.Namespace(lr=1e-3)},
        lambda tensors: {"teacher": {f"module.backbone.{k}": v for k, v in tensors.items()}},
        lambda tensors: {"state_dict": tensors, "optimizer": {"state": {}}},
    ],
    ids=["plain", "MAE", "DINOv2", "lightning"],
)
def test_state_dicts_of_training_scripts_are_read(tmp_path: Path, wrap: Any) -> None:
    source, target = xxs(1), xxs(2)
    torch.save(wrap(state(source)), tmp_path / "weights.pth")
    load_backbone_weights(target, tmp_path / "weights.pth")
    assert same(source, target)


def test_what_is_left_over_is_reported(tmp_path: Path) -> None:
    tensors = state(xxs(1)) | {"decoder.weight": torch.zeros(3), "mask_token": torch.zeros(1)}
    save_file(tensors, tmp_path / "mae.safetensors")
    report = load_backbone_weights(xxs(2), tmp_path / "mae.safetensors")
    assert report.unexpected == ["decoder.weight", "mask_token"]
    assert report.missing == []
    assert "2 not used" in report.sentence()


def test_too_little_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    tensors = {name: value for name, value in state(xxs(1)).items() if "blocks.3" not in name}
    save_file(tensors, tmp_path / "part.safetensors")
    target, before = xxs(2), xxs(2)
    with pytest.raises(DataError, match=r"fits 7\d\.\d% of this backbone, 100\.0% are required"):
        load_backbone_weights(target, tmp_path / "part.safetensors")
    assert same(target, before)
    report = load_backbone_weights(target, tmp_path / "part.safetensors", coverage=0.7)
    assert report.missing and all(name.startswith("blocks.3") for name in report.missing)


def test_weights_of_another_network_are_an_error_not_random_weights(tmp_path: Path) -> None:
    """FACTS §11.24: an unfit checkpoint left random weights in place, with a print."""
    other = build_backbone(BackboneSpec(name="vit_xs"), seed=1)
    save_file(state(other), tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="required"):
        load_backbone_weights(xxs(2), tmp_path / "other.safetensors")


def test_position_embeddings_are_resized_and_a_class_token_is_dropped(tmp_path: Path) -> None:
    source = build_backbone(
        BackboneSpec(name="vit_tiny_patch16_224", image_size=96, channels=3), seed=1
    )
    torch.save(source.net.state_dict(), tmp_path / "tiny.pt")
    target = build_backbone(BackboneSpec(name="vit_tiny", image_size=64, channels=3), seed=2)
    report = load_backbone_weights(target, tmp_path / "tiny.pt")
    assert report.resized == ["pos_embed"]
    assert "cls_token" in report.unexpected
    assert target.net.pos_embed.shape == (1, 16, 192)


def test_the_same_grid_keeps_its_positions_when_the_class_token_goes(tmp_path: Path) -> None:
    spec = BackboneSpec(name="vit_tiny_patch16_224", image_size=64, channels=3)
    source = build_backbone(spec, seed=1)
    torch.save(source.net.state_dict(), tmp_path / "tiny.pt")
    target = build_backbone(BackboneSpec(name="vit_tiny", image_size=64, channels=3), seed=2)
    load_backbone_weights(target, tmp_path / "tiny.pt")
    torch.testing.assert_close(target.net.pos_embed, source.net.pos_embed[:, 1:])


@pytest.mark.parametrize(("had", "wanted"), [(3, 1), (1, 3)])
def test_input_filters_follow_the_channels(tmp_path: Path, had: int, wanted: int) -> None:
    source, target = xxs(1, channels=had), xxs(2, channels=wanted)
    torch.save(source.net.state_dict(), tmp_path / "weights.pt")
    report = load_backbone_weights(target, tmp_path / "weights.pt")
    assert report.resized == ["patch_embed.proj.weight"]
    grey = torch.randn(2, 1, 64, 64)
    out = [
        net.eval()(grey.expand(-1, net.spec.channels, -1, -1) if net.spec.channels == 3 else grey)
        for net in (source, target)
    ]
    torch.testing.assert_close(out[0], out[1], atol=1e-5, rtol=1e-4)


class Harmful:
    """Unpickling this would run code."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (print, ("code ran",))


def test_a_pickle_is_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"model": state(xxs()), "extra": Harmful()}, tmp_path / "evil.pth")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Harmful()))
    torch.save(xxs().net, tmp_path / "whole.pt")
    for name in ("evil.pth", "plain.pt", "whole.pt"):
        with pytest.raises(DataError, match="is a pickle that holds more than tensors") as caught:
            read_tensors(tmp_path / name)
        assert "\n" not in caught.value.message
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.pt", None, "there is no weights file"),
        ("empty.pt", b"", "not a readable weights file"),
        ("text.safetensors", b"hello, these are no weights", "not a readable safetensors file"),
        ("text.pth", b"hello, these are no weights", "pickle|not a readable weights file"),
    ],
)
def test_damaged_files_are_data_errors(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_tensors(tmp_path / name)


def test_a_file_without_tensors_is_a_data_error(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "none.pt")
    with pytest.raises(DataError, match="has no state dict"):
        read_tensors(tmp_path / "none.pt")
