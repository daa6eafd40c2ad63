"""Weights that transformers saved, against transformers' own hidden states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from medfm_cli.errors import DataError, EnvironmentProblem
from medfm_cli.models.backbones import Backbone, build_backbone
from medfm_cli.models.origin import find_weights, load_initial_weights
from medfm_cli.models.spec import BackboneSpec

transformers = pytest.importorskip("transformers")

SIDE, PATCH = 32, 8
SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 256,
    "image_size": SIDE,
    "patch_size": PATCH,
    "layer_norm_eps": 1e-6,  # transformers writes 1e-12 for ViT; its originals have 1e-6
    "hidden_dropout_prob": 0.0,
}
DECODER = {
    "decoder_hidden_size": 32,
    "decoder_num_hidden_layers": 1,
    "decoder_num_attention_heads": 2,
    "decoder_intermediate_size": 64,
}
DINO = {"layer_scale": 1e-5}
# our options, transformers' configuration and model, and its options
EVERY = {
    "vit": ({}, "ViTConfig", "ViTModel", {}),
    "vit with a head": ({}, "ViTConfig", "ViTForImageClassification", {}),
    "mae": ({}, "ViTMAEConfig", "ViTMAEForPreTraining", {**DECODER, "mask_ratio": 0.0}),
    "dinov2": (DINO, "Dinov2Config", "Dinov2Model", {}),
    "dinov2 swiglu": (
        {**DINO, "mlp": "swiglu"},
        "Dinov2Config",
        "Dinov2Model",
        {"use_swiglu_ffn": True},
    ),
    "dinov2 registers": (
        {**DINO, "registers": 4},
        "Dinov2WithRegistersConfig",
        "Dinov2WithRegistersModel",
        {"num_register_tokens": 4},
    ),
}


def theirs(name: str) -> Any:
    """A model of transformers with random weights, none of which is 0 or 1 everywhere."""
    _, config, model, options = EVERY[name]
    torch.manual_seed(0)
    network = getattr(transformers, model)(getattr(transformers, config)(**SMALL, **options))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.2)
    return network.eval()


def ours(name: str = "vit", **options: Any) -> Backbone:
    spec = {"name": "vit_xxs", "image_size": SIDE, "channels": 3, "class_token": True}
    return build_backbone(BackboneSpec(**{**spec, **EVERY[name][0], **options}), seed=1).eval()


def hidden(network: Any, pixels: torch.Tensor) -> torch.Tensor:
    """Their tokens after the last norm, [B,P+N,D]; MAE's in the order of the picture."""
    if hasattr(network, "vit") and not hasattr(network, "classifier"):
        order = torch.arange(16.0).repeat(len(pixels), 1)  # nothing is hidden or shuffled
        tokens: torch.Tensor = network.vit(pixels, noise=order).last_hidden_state
        return tokens
    if hasattr(network, "vit"):
        network = network.vit
    last: torch.Tensor = network(pixels).last_hidden_state
    return last


@pytest.mark.parametrize("name", EVERY)
def test_tokens_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    network, backbone = theirs(name), ours(name)
    network.save_pretrained(tmp_path)
    report = load_initial_weights(find_weights(str(tmp_path)), backbone, coverage=1.0)
    pixels = torch.randn(2, 3, SIDE, SIDE)
    with torch.no_grad():
        expected = hidden(network, pixels)[:, backbone.net.num_prefix_tokens :]
        torch.testing.assert_close(backbone.tokens(pixels), expected, atol=1e-5, rtol=1e-5)
    assert report.coverage == 1.0 and not report.missing
    assert len(report.renamed) >= len(report.loaded)  # queries, keys and values become one
    left = [name for name in report.unexpected if not name.startswith("decoder.")]
    assert not any("layer" in name for name in left)


def test_timms_own_model_takes_them_too(tmp_path: Path) -> None:
    """timm's ViT keeps the class token's place in its table; ours adds it to the token."""
    config = transformers.ViTConfig(
        hidden_size=192,
        num_hidden_layers=12,
        num_attention_heads=3,
        intermediate_size=768,
        image_size=64,
        patch_size=16,
        layer_norm_eps=1e-6,
    )
    network = transformers.ViTModel(config).eval()
    torch.nn.init.normal_(network.embeddings.position_embeddings, std=0.2)
    network.save_pretrained(tmp_path)
    spec = BackboneSpec(name="vit_tiny_patch16_224", image_size=64, channels=3)
    backbone = build_backbone(spec, seed=1).eval()
    load_initial_weights(find_weights(str(tmp_path)), backbone, coverage=1.0)
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = network(pixels).last_hidden_state[:, 1:]
        torch.testing.assert_close(backbone.tokens(pixels), expected, atol=1e-5, rtol=1e-5)


def test_layer_scale_on_one_side_only_is_another_function(tmp_path: Path) -> None:
    theirs("dinov2").save_pretrained(tmp_path / "dinov2")
    theirs("vit").save_pretrained(tmp_path / "vit")
    with pytest.raises(DataError, match=r"layer_scale1\.lambda1, which this") as caught:
        load_initial_weights(find_weights(str(tmp_path / "dinov2")), ours(), coverage=0.5)
    assert "set layer_scale" in str(caught.value.hint)
    backbone = ours(layer_scale=1e-5)
    with pytest.raises(DataError, match=r"lacks blocks\.0\.ls1\.gamma") as caught:
        load_initial_weights(find_weights(str(tmp_path / "vit")), backbone, coverage=0.5)
    assert "unset layer_scale" in str(caught.value.hint)


def test_a_deeper_network_is_not_cut_off_silently(tmp_path: Path) -> None:
    deep = transformers.ViTModel(transformers.ViTConfig(**{**SMALL, "num_hidden_layers": 5}))
    deep.save_pretrained(tmp_path)
    with pytest.raises(DataError, match=r"encoder\.layer\.4\..*lacks"):
        load_initial_weights(find_weights(str(tmp_path)), ours(), coverage=0.5)


def test_an_architecture_that_is_not_known_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "swin"}')
    with pytest.raises(DataError, match="is a 'swin' of transformers") as caught:
        find_weights(str(tmp_path))
    assert "vit_mae" in str(caught.value.hint)


def in_cache(cache: Path, folder: Path, name: str) -> None:
    """Lay a saved model into a cache as huggingface_hub would."""
    entry = cache / f"models--{name.replace('/', '--')}"
    (entry / "refs").mkdir(parents=True)
    (entry / "refs" / "main").write_text("0123abcd")
    (entry / "snapshots").mkdir()
    folder.rename(entry / "snapshots" / "0123abcd")


def test_a_name_is_looked_up_in_the_cache_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    network = theirs("vit")
    network.save_pretrained(tmp_path / "vit")
    in_cache(tmp_path / "cache", tmp_path / "vit", "some/vit")
    found = find_weights("hf:some/vit")
    assert found.name == "some/vit"
    assert load_initial_weights(found, ours(), coverage=1.0).coverage == 1.0
    with pytest.raises(EnvironmentProblem, match="other/vit is not in the cache") as caught:
        find_weights("hf:other/vit")
    assert "backbone.download=true" in str(caught.value.hint)


def test_the_network_is_asked_only_where_the_recipe_allows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    asked = []

    def fetch(name: str, file: str, *, local_files_only: bool) -> str:
        asked.append((name, file, local_files_only))
        if local_files_only:
            raise FileNotFoundError
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    theirs("vit").save_pretrained(tmp_path)
    with pytest.raises(EnvironmentProblem):
        find_weights("hf:some/vit")
    assert find_weights("hf:some/vit", download=True).file == tmp_path / "model.safetensors"
    assert [local for *_, local in asked] == [True, False, False]
