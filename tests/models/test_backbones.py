"""Backbones: one face over our presets and timm's models."""

from __future__ import annotations

import pytest
import torch

from medfm_cli.errors import EnvironmentProblem, UsageError
from medfm_cli.models.backbones import Backbone, build_backbone
from medfm_cli.models.spec import PRESETS, BackboneSpec

SMALL = ("vit_xxs", "vit_xs", "vit_s4", "vit_s6")


def images(spec: BackboneSpec, count: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (count, spec.channels, spec.image_size, spec.image_size)
    return torch.randn(shape, generator=generator)


def built(**options: object) -> Backbone:
    return build_backbone(BackboneSpec.model_validate(options), seed=1).eval()


@pytest.mark.parametrize("name", SMALL)
def test_a_preset_has_its_shape_and_its_features_are_the_mean_of_its_tokens(name: str) -> None:
    backbone = built(name=name)
    tokens = backbone.tokens(images(backbone.spec))
    assert tokens.shape == (2, 64, PRESETS[name].dim)
    assert backbone.grid == (8, 8)
    assert backbone.patch_size == 8
    torch.testing.assert_close(backbone(images(backbone.spec)), tokens.mean(dim=1))


def test_the_paper_sizes_have_their_published_parameter_counts() -> None:
    # ViT-Tiny 5.5 M and ViT-Small 21.7 M at 224 (timm's own models, class token and head apart)
    counts = {}
    for name, reference in (("vit_tiny", 5_524_416), ("vit_small", 21_665_664)):
        spec = BackboneSpec(name=name, image_size=224, channels=3)
        net = build_backbone(spec, seed=0)
        counts[name] = (sum(p.numel() for p in net.parameters()), reference)
    for name, (found, reference) in counts.items():
        class_token_and_its_place = 2 * PRESETS[name].dim
        assert found + class_token_and_its_place == reference


@pytest.mark.parametrize(
    "options",
    [
        {"name": "vit_xs", "registers": 2, "layer_scale": 1e-5},
        {"name": "vit_tiny_patch16_224", "image_size": 64},
        {"name": "deit3_small_patch16_224", "image_size": 64},
        {"name": "vit_small_patch14_reg4_dinov2", "image_size": 56},
    ],
)
def test_embed_and_encode_together_are_timms_own_forward(options: dict[str, object]) -> None:
    backbone = built(**options)
    pixels = images(backbone.spec)
    prefix = backbone.net.num_prefix_tokens
    expected = backbone.net.forward_features(pixels)[:, prefix:]
    torch.testing.assert_close(backbone.tokens(pixels), expected)


@pytest.mark.parametrize(
    ("name", "tokens"), [("resnet10t", 4), ("convnext_atto", 4), ("swin_s3_tiny_224", 49)]
)
def test_other_timm_models_give_tokens_too(name: str, tokens: int) -> None:
    size = 224 if "224" in name else 64
    backbone = built(name=name, image_size=size, channels=3)
    assert not backbone.maskable
    assert backbone.tokens(images(backbone.spec)).shape == (2, tokens, backbone.dim)
    with pytest.raises(UsageError, match="not a plain vision transformer"):
        backbone.embed(images(backbone.spec))


def test_encode_takes_some_of_the_patches() -> None:
    backbone = built(name="vit_xxs")
    patches = backbone.embed(images(backbone.spec))
    assert backbone.encode(patches[:, ::4]).shape == (2, 16, 64)


def test_smaller_crops_get_their_positions_resized() -> None:
    backbone = built(name="vit_xxs")
    assert backbone.tokens(torch.randn(2, 1, 32, 32)).shape == (2, 16, 64)


def test_a_seed_decides_the_weights_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, two = (build_backbone(BackboneSpec(name="vit_xxs"), seed=7) for _ in range(2))
    torch.testing.assert_close(torch.rand(1), expected)
    for left, right in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(left, right)


def test_drop_path_is_off_in_evaluation_and_in_a_frozen_backbone() -> None:
    """FACTS §11.24: the probe of a frozen backbone ran with drop-path on."""
    backbone = built(name="vit_xs", drop_path=0.5)
    pixels = images(backbone.spec, 4)
    expected = backbone(pixels)
    torch.testing.assert_close(backbone(pixels), expected)
    backbone.freeze().train()
    assert not backbone.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    torch.testing.assert_close(backbone(pixels), expected)
    backbone.unfreeze().train()
    assert not torch.equal(backbone(pixels), expected)


def test_a_frozen_backbone_stays_frozen_inside_a_module_that_trains() -> None:
    backbone = built(name="vit_xxs", drop_path=0.5).freeze()
    torch.nn.Sequential(backbone, torch.nn.Linear(64, 2)).train()
    assert not any(module.training for module in backbone.modules())


def test_gradient_checkpointing_changes_nothing() -> None:
    backbone = built(name="vit_xxs").train()
    pixels = images(backbone.spec)
    plain = backbone(pixels)
    backbone.net.set_grad_checkpointing(True)
    torch.testing.assert_close(backbone(pixels), plain)


def test_an_unknown_name_is_met_with_near_ones() -> None:
    with pytest.raises(UsageError, match="there is no backbone 'vit_smal'") as caught:
        built(name="vit_smal")
    assert "vit_small" in str(caught.value.hint)


def test_pretrained_weights_that_cannot_be_had_are_an_environment_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import timm

    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(EnvironmentProblem, match="resnet18 are not available: no network"):
        built(name="resnet18", pretrained=True)


@pytest.mark.parametrize("name", ["convnext_atto", "vit_pwee_patch16_reg1_gap_256"])
def test_nothing_that_is_trained_waits_for_a_gradient_in_vain(name: str) -> None:
    """Several processes would stop at the second step: timm's own pooling has norms."""
    size = 256 if "256" in name else 64
    backbone = build_backbone(BackboneSpec(name=name, image_size=size), seed=0)
    backbone.freeze().unfreeze()
    backbone(torch.randn(2, 1, size, size)).sum().backward()
    assert not [k for k, p in backbone.named_parameters() if p.requires_grad and p.grad is None]
    assert any(not p.requires_grad for p in backbone.parameters())
