"""The masked autoencoder against computations by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_data import toy_run

from medfm_cli.commands.pretrain.objectives import Decoder, MaeOptions
from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
from medfm_cli.commands.pretrain.objectives.figures.images import to_pixels
from medfm_cli.commands.pretrain.objectives.mae import Mae, PredictedPatches
from medfm_cli.commands.pretrain.objectives.masked import Target
from medfm_cli.commands.pretrain.objectives.patches import (
    choose_hidden,
    normalise_patches,
    patchify,
    take,
    unpatchify,
)
from medfm_cli.data.batch import Batch
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.errors import UsageError
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.inputs import normalise
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.training.augmentations import ImageViews
from medfm_cli.training.randomness import StepRandom


def mae(*, channels: int = 1, name: str = "vit_xxs", **options: Any) -> Mae:
    torch.manual_seed(0)
    spec = BackboneSpec(name=name, image_size=32, channels=channels)  # type: ignore[arg-type]
    small = Decoder(dim=16, depth=1, heads=2)
    return Mae(
        build_backbone(spec, seed=0),
        MaeOptions(decoder=small, **options),
        ObjectiveContext(
            preprocessing=Preprocessing(size=32, channels=channels),  # type: ignore[arg-type]
            views=ImageViews(),
        ),
    )


def batch_of(count: int, channels: int = 1) -> Batch:
    generator = torch.Generator().manual_seed(1)
    shape = (count, channels, 32, 32)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return Batch(values=images, labels=torch.zeros(count), rows=torch.arange(count))


def random_of(count: int, step: int = 0) -> StepRandom:
    return StepRandom(seed=0, step=step, batch=count, device=torch.device("cpu"))


@pytest.mark.parametrize("norm_pix", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_loss_is_the_mean_square_over_hidden_patches_only(
    channels: int, norm_pix: bool
) -> None:
    task = mae(channels=channels, norm_pix=norm_pix)
    inputs = task.plain_inputs(batch_of(3, channels), random_of(3))
    images, noise = inputs["values"], inputs["noise"]
    loss = task(values=images, noise=noise)["loss"].mean().item()
    predicted = task.predict_patches(images, noise)
    total, count = 0.0, 0
    for image in range(3):
        order = noise[image].argsort()
        for place, patch in enumerate(order[len(order) // 4 :].tolist()):
            row, column = divmod(patch, 4)
            target = images[image, :, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8]
            target = target.permute(1, 2, 0).flatten()
            if norm_pix:
                target = (target - target.mean()) / (target.var() + 1e-6).sqrt()
            total += (predicted.patches[image, place] - target).square().sum().item()
            count += target.numel()
    assert loss == pytest.approx(total / count, rel=1e-5)


def test_hidden_pixels_reach_the_target_only_and_visible_ones_the_encoder_only() -> None:
    task = mae(norm_pix=False)
    inputs = task.plain_inputs(batch_of(2), random_of(2))
    images = inputs["values"].requires_grad_()
    result = task.predict_patches(images, inputs["noise"])
    by_encoder = torch.autograd.grad(result.patches.square().sum(), images, retain_graph=True)[0]
    target = take(result.target.patches, result.split.hidden)
    by_target = torch.autograd.grad((target - result.patches.detach()).square().mean(), images)[0]
    seen, predicted = (
        torch.zeros(2, 16, dtype=torch.bool).scatter(1, index, True)
        for index in (result.split.visible, result.split.hidden)
    )
    used = patchify(by_encoder, (8, 8)).abs().sum(-1) > 0
    aimed_at = patchify(by_target, (8, 8)).abs().sum(-1) > 0
    assert torch.equal(used, seen)
    assert torch.equal(aimed_at, predicted)


def test_what_is_under_a_hidden_patch_does_not_change_what_the_encoder_gives() -> None:
    task = mae()
    inputs = task.plain_inputs(batch_of(2), random_of(2))
    images, split = inputs["values"], choose_hidden(inputs["noise"], 0.75)
    covered = torch.zeros(2, 16, 64).scatter(1, split.hidden.unsqueeze(-1).expand(-1, -1, 64), 1.0)
    other = torch.where(unpatchify(covered, (8, 8), (4, 4)).bool(), 100.0, images)
    assert not torch.equal(other, images)
    tokens, changed = (
        task.backbone.encode(take(task.backbone.embed(x), split.visible)) for x in (images, other)
    )
    assert torch.equal(tokens, changed)
    predicted, reconstruction = (
        task.predict_patches(x, inputs["noise"]).patches for x in (images, other)
    )
    assert torch.equal(predicted, reconstruction)


@pytest.mark.parametrize("norm_pix", [True, False])
def test_visible_patches_are_no_target(monkeypatch: pytest.MonkeyPatch, norm_pix: bool) -> None:
    task = mae(norm_pix=norm_pix)
    inputs = task.plain_inputs(batch_of(2), random_of(2))
    split = choose_hidden(inputs["noise"], 0.75)
    loss = task.losses(**inputs)
    wanted = task.target(inputs["values"]).patches.requires_grad_()
    monkeypatch.setattr(task, "target", lambda _: Target(wanted, None))
    (gradient,) = torch.autograd.grad(task.losses(**inputs).sum(), wanted)
    aimed_at = torch.zeros(2, 16, dtype=torch.bool).scatter(1, split.hidden, True)
    assert torch.equal(gradient.abs().sum(-1) > 0, aimed_at)
    nonsense = torch.where(aimed_at.unsqueeze(-1), wanted, -7.0).detach()
    monkeypatch.setattr(task, "target", lambda _: Target(nonsense, None))
    assert torch.equal(task.losses(**inputs), loss)


@pytest.mark.parametrize("norm_pix", [True, False])
def test_what_is_hidden_and_the_loss_are_those_of_transformers(
    monkeypatch: pytest.MonkeyPatch, norm_pix: bool
) -> None:
    """Their small network paints; of that our loss must be theirs."""
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    config = ViTMAEConfig(
        image_size=32, patch_size=8, norm_pix_loss=norm_pix, hidden_size=8, num_hidden_layers=1,
        num_attention_heads=1, intermediate_size=8, decoder_hidden_size=8,
        decoder_num_hidden_layers=1, decoder_num_attention_heads=1, decoder_intermediate_size=8,
    )  # fmt: skip
    theirs = ViTMAEForPreTraining(config).eval()
    task = mae(channels=3, norm_pix=norm_pix)
    inputs = task.plain_inputs(batch_of(3, 3), random_of(3))
    found = theirs(inputs["values"], noise=inputs["noise"])
    split = choose_hidden(inputs["noise"], 0.75)
    assert torch.equal(torch.zeros(3, 16).scatter(1, split.hidden, 1.0), found.mask)
    predicted = PredictedPatches(
        split, take(found.logits, split.hidden), task.target(inputs["values"])
    )
    monkeypatch.setattr(task, "predict_patches", lambda *_: predicted)
    assert task(**inputs)["loss"].mean().item() == pytest.approx(found.loss.item(), rel=1e-6)


def test_the_encoder_runs_over_visible_patches_only(monkeypatch: pytest.MonkeyPatch) -> None:
    task = mae(mask_ratio=0.75)
    shapes: list[torch.Size] = []
    encode = task.backbone.encode
    monkeypatch.setattr(
        task.backbone, "encode", lambda tokens: shapes.append(tokens.shape) or encode(tokens)
    )
    task(**task.plain_inputs(batch_of(2), random_of(2)))
    assert shapes == [torch.Size([2, 4, 64])]


def test_the_decoder_knows_where_patches_are_and_not_in_which_order_they_come() -> None:
    task = mae()
    inputs = task.plain_inputs(batch_of(1), random_of(1))
    split = choose_hidden(inputs["noise"], 0.75)
    tokens = task.backbone.encode(take(task.backbone.embed(inputs["values"]), split.visible))
    predicted = task.decoder(tokens, split, (4, 4))
    turned = split._replace(hidden=split.hidden.flip(1))
    assert torch.allclose(task.decoder(tokens, turned, (4, 4)), predicted.flip(1), atol=1e-6)
    assert not torch.allclose(predicted[:, 0], predicted[:, 1], atol=1e-4)


def test_every_weight_gets_a_gradient() -> None:
    task = mae(name="vit_xxs")
    task(**task.inputs(batch_of(4), random_of(4)))["loss"].mean().backward()
    assert [name for name, p in task.named_parameters() if p.grad is None] == []


def test_a_perfect_painting_gives_back_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feeding the true normalised patches back, the reconstruction is the image itself."""
    task = mae()
    inputs = task.plain_inputs(batch_of(2), random_of(2))
    paint = task.predict_patches

    def perfect(images: torch.Tensor, noise: torch.Tensor) -> Any:
        result = paint(images, noise)
        hidden = take(result.target.patches, result.split.hidden)
        return result._replace(patches=normalise_patches(hidden))

    monkeypatch.setattr(task, "predict_patches", perfect)
    images, found = inputs["values"], task.reconstruct(**inputs)
    assert torch.equal(found.values, images)
    assert torch.allclose(found.reconstruction, images, atol=1e-5)
    assert ((found.seen == images) | (found.seen == 0)).all()
    assert (found.hidden.float().mean(dim=(1, 2, 3)) == 0.75).all()
    assert found.known.all()


def test_pixels_come_back_from_normalised_images() -> None:
    grey, colour = batch_of(1).values, batch_of(1, 3).values
    for images, shape in ((grey, (32, 32)), (colour, (32, 32, 3))):
        preprocessing = Preprocessing(size=32, channels=images.shape[1])  # type: ignore[arg-type]
        pixels = to_pixels(normalise(images, preprocessing)[0], preprocessing)
        assert pixels.shape == shape
        assert np.array_equal(pixels.reshape(32, 32, -1), images[0].permute(1, 2, 0).numpy())


def test_figures_are_in_the_report(tmp_path: Path) -> None:
    run = toy_run(tmp_path)
    (figure,) = mae().figures(batch_of(2), ["a", "b"], random_of(2), run)
    assert (tmp_path / figure.path).stat().st_size > 1000  # type: ignore[union-attr]
    assert "one by one" in figure.caption  # type: ignore[union-attr]


def test_it_learns() -> None:
    """On images that are ramps, hidden patches follow from visible ones."""
    task = mae()
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    angles = torch.rand(16) * 6.28
    ramps = angles.cos()[:, None, None] * x + angles.sin()[:, None, None] * y
    images = (128 + 2.5 * ramps).clamp(0, 255).to(torch.uint8)[:, None]
    batch = Batch(values=images, labels=torch.zeros(16), rows=torch.arange(16))
    optimiser = torch.optim.AdamW(task.parameters(), lr=3e-3)
    losses = []
    for step in range(60):
        loss = task(**task.plain_inputs(batch, random_of(16, step)))["loss"].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) / 5 < 0.5 * losses[0]


def test_a_network_that_is_no_plain_transformer_is_refused() -> None:
    with pytest.raises(UsageError, match="not a plain vision transformer"):
        mae(name="resnet18")
