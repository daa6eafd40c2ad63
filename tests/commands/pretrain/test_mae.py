"""The masked autoencoder against computations by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_data import toy_run

from medfm_cli.commands.pretrain.objectives import Decoder, MaeOptions
from medfm_cli.commands.pretrain.objectives.base import Setting
from medfm_cli.commands.pretrain.objectives.mae import (
    Mae,
    choose_hidden,
    normalise_patches,
    patchify,
    take,
    to_pixels,
    unpatchify,
)
from medfm_cli.data.loader import Batch
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
        Setting(
            preprocessing=Preprocessing(size=32, channels=channels),  # type: ignore[arg-type]
            views=ImageViews(),
        ),
    )


def batch_of(count: int, channels: int = 1) -> Batch:
    generator = torch.Generator().manual_seed(1)
    shape = (count, channels, 32, 32)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return Batch(images, torch.zeros(count), torch.arange(count))


def random_of(count: int, step: int = 0) -> StepRandom:
    return StepRandom(seed=0, step=step, batch=count, device=torch.device("cpu"))


@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 5)
)
def test_patches_put_together_again_are_the_image(
    batch: int, channels: int, rows: int, columns: int, size: int
) -> None:
    images = torch.rand(batch, channels, rows * size, columns * size)
    patches = patchify(images, size)
    assert patches.shape == (batch, rows * columns, size * size * channels)
    assert torch.equal(unpatchify(patches, size, (rows, columns)), images)


def test_patches_are_in_the_order_of_the_encoders_tokens() -> None:
    """Patch 1 is right of patch 0, as in the convolution that embeds patches."""
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert patchify(image, 2)[0].tolist() == [
        [0, 1, 4, 5],
        [2, 3, 6, 7],
        [8, 9, 12, 13],
        [10, 11, 14, 15],
    ]
    convolution = torch.nn.Conv2d(3, 5, 8, 8)
    images = torch.rand(2, 3, 32, 32)
    tokens = convolution(images).flatten(2).transpose(1, 2)
    weight = convolution.weight.permute(0, 2, 3, 1).flatten(1)
    assert torch.allclose(patchify(images, 8) @ weight.T + convolution.bias, tokens, atol=1e-5)


@pytest.mark.parametrize(
    ("patches", "ratio", "visible"),
    [(64, 0.75, 16), (49, 0.6, 19), (196, 0.75, 49), (100, 0.9, 10), (4, 0.99, 1)],
)
def test_exactly_the_asked_part_is_hidden_in_every_image(
    patches: int, ratio: float, visible: int
) -> None:
    noise = torch.rand(5, patches)
    split = choose_hidden(noise, ratio)
    assert split.visible.shape == (5, visible)
    both = torch.cat([split.visible, split.hidden], dim=1).sort(dim=1).values
    assert torch.equal(both, torch.arange(patches).expand(5, -1))
    assert (
        take_noise(noise, split.visible).amax(1) <= take_noise(noise, split.hidden).amin(1)
    ).all()


def take_noise(noise: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    return noise.gather(1, index)


def test_every_patch_is_hidden_about_equally_often() -> None:
    hidden = choose_hidden(random_of(4000).uniform("mask", 16), 0.75).hidden
    share = torch.bincount(hidden.flatten(), minlength=16) / 4000
    assert (share - 0.75).abs().max() < 0.04


def test_patches_are_normalised_one_by_one() -> None:
    """By hand: (1, 2, 3, 6) has mean 3 and variance (4 + 1 + 0 + 9) / 3."""
    patch = torch.tensor([[[1.0, 2.0, 3.0, 6.0], [5.0, 5.0, 5.0, 5.0]]])
    found = normalise_patches(patch)
    expected = torch.tensor([-2.0, -1.0, 0.0, 3.0]) / (14 / 3 + 1e-6) ** 0.5
    assert torch.allclose(found[0, 0], expected)
    assert found[0, 1].tolist() == [0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("norm_pix", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_loss_is_the_mean_square_over_hidden_patches_only(
    channels: int, norm_pix: bool
) -> None:
    task = mae(channels=channels, norm_pix=norm_pix)
    inputs = task.plain_inputs(batch_of(3, channels), random_of(3))
    images, noise = inputs["images"], inputs["noise"]
    loss = task(images=images, noise=noise)["loss"].item()
    painted = task.paint(images, noise)
    total, count = 0.0, 0
    for image in range(3):
        order = noise[image].argsort()
        for place, patch in enumerate(order[len(order) // 4 :].tolist()):
            row, column = divmod(patch, 4)
            target = images[image, :, row * 8 : row * 8 + 8, column * 8 : column * 8 + 8]
            target = target.permute(1, 2, 0).flatten()
            if norm_pix:
                target = (target - target.mean()) / (target.var() + 1e-6).sqrt()
            total += (painted.painted[image, place] - target).square().sum().item()
            count += target.numel()
    assert loss == pytest.approx(total / count, rel=1e-5)


def test_hidden_pixels_reach_the_target_only_and_visible_ones_the_encoder_only() -> None:
    task = mae(norm_pix=False)
    inputs = task.plain_inputs(batch_of(2), random_of(2))
    images = inputs["images"].requires_grad_()
    result = task.paint(images, inputs["noise"])
    by_encoder = torch.autograd.grad(result.painted.square().sum(), images, retain_graph=True)[0]
    target = take(result.patches, result.split.hidden)
    by_target = torch.autograd.grad((target - result.painted.detach()).square().mean(), images)[0]
    seen, painted = (
        torch.zeros(2, 16, dtype=torch.bool).scatter(1, index, True)
        for index in (result.split.visible, result.split.hidden)
    )
    used = patchify(by_encoder, 8).abs().sum(-1) > 0
    aimed_at = patchify(by_target, 8).abs().sum(-1) > 0
    assert torch.equal(used, seen)
    assert torch.equal(aimed_at, painted)


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
    tokens = task.backbone.encode(take(task.backbone.embed(inputs["images"]), split.visible))
    painted = task.decoder(tokens, split)
    turned = split._replace(hidden=split.hidden.flip(1))
    assert torch.allclose(task.decoder(tokens, turned), painted.flip(1), atol=1e-6)
    assert not torch.allclose(painted[:, 0], painted[:, 1], atol=1e-4)


def test_every_weight_gets_a_gradient() -> None:
    task = mae(name="vit_xxs")
    task(**task.inputs(batch_of(4), random_of(4)))["loss"].backward()
    assert [name for name, p in task.named_parameters() if p.grad is None] == []


def test_a_perfect_painting_gives_back_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """Feeding the true normalised patches back, the reconstruction is the image itself."""
    task = mae()
    inputs = task.plain_inputs(batch_of(2), random_of(2))
    paint = task.paint

    def perfect(images: torch.Tensor, noise: torch.Tensor) -> Any:
        result = paint(images, noise)
        return result._replace(painted=normalise_patches(take(result.patches, result.split.hidden)))

    monkeypatch.setattr(task, "paint", perfect)
    for image, (whole, seen, painted) in zip(
        inputs["images"], task.reconstruct(**inputs), strict=True
    ):
        assert torch.allclose(whole, image)
        assert torch.allclose(painted, image, atol=1e-5)
        assert ((seen == image) | (seen == 0)).all()
        assert 0.2 < (seen != 0).float().mean() <= 0.25


def test_pixels_come_back_from_normalised_images() -> None:
    grey, colour = batch_of(1).values, batch_of(1, 3).values
    for images, shape in ((grey, (32, 32)), (colour, (32, 32, 3))):
        preprocessing = Preprocessing(size=32, channels=images.shape[1])  # type: ignore[arg-type]
        pixels = to_pixels(normalise(images, preprocessing)[0], preprocessing)
        assert pixels.shape == shape
        assert np.array_equal(pixels.reshape(32, 32, -1), images[0].permute(1, 2, 0).numpy())


def test_pictures_go_into_the_report(tmp_path: Path) -> None:
    run = toy_run(tmp_path)
    (figure,) = mae().pictures(batch_of(2), ["a", "b"], random_of(2), run)
    assert (tmp_path / figure.path).stat().st_size > 1000  # type: ignore[union-attr]
    assert "one by one" in figure.caption  # type: ignore[union-attr]


def test_it_learns() -> None:
    """On images that are ramps, hidden patches follow from visible ones."""
    task = mae()
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    angles = torch.rand(16) * 6.28
    ramps = angles.cos()[:, None, None] * x + angles.sin()[:, None, None] * y
    images = (128 + 2.5 * ramps).clamp(0, 255).to(torch.uint8)[:, None]
    batch = Batch(images, torch.zeros(16), torch.arange(16))
    optimiser = torch.optim.AdamW(task.parameters(), lr=3e-3)
    losses = []
    for step in range(60):
        loss = task(**task.plain_inputs(batch, random_of(16, step)))["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) / 5 < 0.5 * losses[0]


def test_a_network_that_is_no_plain_transformer_is_refused() -> None:
    with pytest.raises(UsageError, match="no plain vision transformer"):
        mae(name="resnet18")
