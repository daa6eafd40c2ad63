"""SimMIM against computations by hand and against transformers' own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from toy_data import toy_run

from medfm_cli.commands.pretrain.objectives import SimMimOptions
from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
from medfm_cli.commands.pretrain.objectives.patches import patchify
from medfm_cli.commands.pretrain.objectives.simmim import SimMim, block_of
from medfm_cli.data.batch import Batch
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.errors import UsageError
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.training.augmentations import ImageViews
from medfm_cli.training.randomness import StepRandom


def simmim(*, name: str = "vit_xxs", size: int = 32, channels: int = 1, **options: Any) -> SimMim:
    torch.manual_seed(0)
    spec = BackboneSpec(name=name, image_size=size, channels=channels)  # type: ignore[arg-type]
    preprocessing = Preprocessing(size=size, channels=channels)  # type: ignore[arg-type]
    context = ObjectiveContext(preprocessing=preprocessing, views=ImageViews())
    return SimMim(build_backbone(spec, seed=0), SimMimOptions(**options), context)


def inputs_of(task: SimMim, count: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    shape = (count, task.preprocessing.channels, task.preprocessing.size, task.preprocessing.size)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    random = StepRandom(seed=0, step=0, batch=count, device=torch.device("cpu"))
    batch = Batch(values=images, labels=torch.zeros(count), rows=torch.arange(count))
    return task.plain_inputs(batch, random)


def test_blocks_of_two_patches_are_hidden_together() -> None:
    task = simmim()
    noise = torch.tensor([[0.1, 0.9, 0.8, 0.2]])  # of 2 × 2 blocks, ⌈0.6 × 4⌉ = 3 are hidden
    assert task.draws((4, 4)) == 4
    assert task.hide(noise, (4, 4)).reshape(4, 4).int().tolist() == [
        [0, 0, 1, 1],
        [0, 0, 1, 1],
        [1, 1, 1, 1],
        [1, 1, 1, 1],
    ]


def test_the_last_block_is_smaller_where_the_grid_is_odd() -> None:
    task = simmim(mask_ratio=0.2)
    noise = torch.tensor([[0.0, 0.1, 0.2, 0.3, 0.4, 0.9]])  # 2 × 3 blocks over 3 × 5 patches
    assert task.draws((3, 5)) == 6
    assert task.hide(noise, (3, 5)).reshape(3, 5).int().tolist() == [
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 1, 1, 1],
    ]


def test_the_loss_is_the_mean_distance_over_hidden_pixels_only() -> None:
    task = simmim(channels=3)
    inputs = inputs_of(task, 3)
    hidden = task.hide(inputs["noise"], (4, 4))
    predicted = task.predict_patches(inputs["values"], hidden)
    total, count = 0.0, 0
    for image in range(3):
        for place in hidden[image].nonzero().flatten().tolist():
            row, column = divmod(place, 4)
            target = inputs["values"][image, :, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8]
            target = target.permute(1, 2, 0).flatten()
            total += (predicted[image, place] - target).abs().sum().item()
            count += target.numel()
    assert count == 3 * 12 * 192
    assert task(**inputs)["loss"].mean().item() == pytest.approx(total / count, rel=1e-5)


def test_it_is_what_transformers_computes_with_the_same_weights() -> None:
    """ViT-Tiny with a class token: loss, prediction and the gradient of the mask token."""
    from transformers import ViTConfig, ViTForMaskedImageModeling

    task = simmim(name="vit_tiny_patch16_224", size=64, channels=3, mask_patch=32).eval()
    config = ViTConfig(
        hidden_size=192, num_hidden_layers=12, num_attention_heads=3, intermediate_size=768,
        image_size=64, patch_size=16, num_channels=3, encoder_stride=16, layer_norm_eps=1e-6,
    )  # fmt: skip
    theirs = ViTForMaskedImageModeling(config).eval()
    theirs.load_state_dict(as_theirs(task))
    inputs = inputs_of(task, 2)
    hidden = task.hide(inputs["noise"], (4, 4))
    assert hidden.sum(1).tolist() == [12, 12]
    found = theirs(inputs["values"], bool_masked_pos=hidden)
    loss = task(**inputs)["loss"].mean()
    assert loss.item() == pytest.approx(found.loss.item(), rel=1e-5)
    predicted = task.predict_patches(inputs["values"], hidden)
    assert torch.allclose(patchify(found.reconstruction, (16, 16)), predicted, atol=1e-4)
    loss.backward()
    found.loss.backward()
    theirs_gradient = theirs.vit.embeddings.mask_token.grad
    assert torch.allclose(task.mask_token.grad, theirs_gradient, atol=1e-6)  # type: ignore[arg-type]
    assert theirs_gradient.abs().sum() > 1e-4


def as_theirs(task: SimMim) -> dict[str, torch.Tensor]:
    """The weights by the names of transformers: theirs predict by a convolution and a shuffle."""
    net: Any = task.backbone.net
    weights = {
        "vit.embeddings.cls_token": net.cls_token,
        "vit.embeddings.mask_token": task.mask_token,
        "vit.embeddings.position_embeddings": net.pos_embed,
        "vit.embeddings.patch_embeddings.projection.weight": net.patch_embed.proj.weight,
        "vit.embeddings.patch_embeddings.projection.bias": net.patch_embed.proj.bias,
    }
    pairs = {"vit.layernorm": net.norm}
    for number, block in enumerate(net.blocks):
        parts = ("weight", "bias")
        for part in parts:
            for name, value in zip("qkv", getattr(block.attn.qkv, part).chunk(3), strict=True):
                weights[f"vit.layers.{number}.attention.{name}_proj.{part}"] = value
        pairs |= {
            f"vit.layers.{number}.attention.o_proj": block.attn.proj,
            f"vit.layers.{number}.layernorm_before": block.norm1,
            f"vit.layers.{number}.layernorm_after": block.norm2,
            f"vit.layers.{number}.mlp.fc1": block.mlp.fc1,
            f"vit.layers.{number}.mlp.fc2": block.mlp.fc2,
        }
    for name, module in pairs.items():
        weights |= {f"{name}.weight": module.weight, f"{name}.bias": module.bias}
    # A patch of ours is [p, p, C], theirs is [C, p, p].
    order = torch.arange(768).reshape(16, 16, 3).permute(2, 0, 1).flatten()
    weights["decoder.0.weight"] = task.predict.weight[order, :, None, None]
    weights["decoder.0.bias"] = task.predict.bias[order]
    return {name: value.detach() for name, value in weights.items()}


def test_hidden_pixels_reach_the_target_only_and_visible_ones_the_encoder_only() -> None:
    task = simmim()
    inputs = inputs_of(task, 2)
    hidden = task.hide(inputs["noise"], (4, 4))
    images = inputs["values"].requires_grad_()
    predicted = task.predict_patches(images, hidden)
    (by_encoder,) = torch.autograd.grad(predicted.square().sum(), images)
    assert torch.equal(patchify(by_encoder, (8, 8)).abs().sum(-1) > 0, ~hidden)
    other = images.detach() + 50 * unpatched(hidden)
    assert torch.equal(task.predict_patches(other, hidden), predicted)
    # What lies under a visible patch is no target: changed there alone, the prediction kept, the
    # loss is the same.
    task.predict_patches = lambda *_: predicted.detach()  # type: ignore[method-assign, assignment]
    loss = task.losses(**inputs)
    assert torch.equal(task.losses(images - 3 * unpatched(~hidden), inputs["noise"]), loss)
    assert not torch.equal(task.losses(other, inputs["noise"]), loss)


def unpatched(hidden: torch.Tensor) -> torch.Tensor:
    """[B,16] as images [B,1,32,32] of zeros and ones."""
    grid = hidden.float().reshape(-1, 1, 4, 4)
    return grid.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)


def test_every_weight_gets_a_gradient() -> None:
    task = simmim()
    task(**inputs_of(task, 4))["loss"].mean().backward()
    assert [name for name, p in task.named_parameters() if p.grad is None] == []


def test_figures_are_in_the_report(tmp_path: Path) -> None:
    task = simmim()
    batch = Batch(
        values=torch.zeros(2, 1, 32, 32, dtype=torch.uint8),
        labels=torch.zeros(2),
        rows=torch.arange(2),
    )
    random = StepRandom(seed=0, step=0, batch=2, device=torch.device("cpu"))
    (figure,) = task.figures(batch, ["a", "b"], random, toy_run(tmp_path))
    assert (tmp_path / figure.path).stat().st_size > 1000  # type: ignore[union-attr]


def test_a_perfect_painting_gives_back_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    task = simmim()
    inputs = inputs_of(task, 2)
    monkeypatch.setattr(task, "predict_patches", lambda values, _: patchify(values, (8, 8)))
    found = task.reconstruct(**inputs)
    assert torch.equal(found.reconstruction, inputs["values"])
    assert (found.hidden.float().mean(dim=(1, 2, 3)) == 0.75).all()
    assert torch.equal(task.losses(**inputs), torch.zeros(2))


def test_blocks_are_whole_patches_along_every_axis() -> None:
    assert block_of(SimMimOptions(), (16, 16)) == (2, 2)
    assert block_of(SimMimOptions(mask_patch=32), (16, 16)) == (2, 2)
    assert block_of(SimMimOptions(mask_patch=[4, 32, 32]), (4, 16, 16)) == (1, 2, 2)
    for wrong in (24, [32], [32, 32, 32]):
        with pytest.raises(UsageError, match=r"a patch is 16 × 16"):
            block_of(SimMimOptions(mask_patch=wrong), (16, 16))


def test_a_network_that_is_no_plain_transformer_is_refused() -> None:
    with pytest.raises(UsageError, match="not a plain vision transformer"):
        simmim(name="resnet18")
