"""Patches of one, two and three axes, and which of them are hidden."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.commands.pretrain.objectives.patches import (
    choose_hidden,
    grid_of,
    normalise_patches,
    patchify,
    unpatchify,
)
from medfm_cli.training.randomness import StepRandom

AXES = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=3)
CONVOLUTIONS = {1: torch.nn.Conv1d, 2: torch.nn.Conv2d, 3: torch.nn.Conv3d}


@given(st.integers(1, 3), st.integers(1, 3), AXES)
def test_patches_put_together_again_are_the_input(
    batch: int, channels: int, axes: list[tuple[int, int]]
) -> None:
    grid, patch = tuple(count for count, _ in axes), tuple(size for _, size in axes)
    values = torch.rand(batch, channels, *(count * size for count, size in axes))
    patches = patchify(values, patch)
    assert patches.shape == (batch, math.prod(grid), math.prod(patch) * channels)
    assert grid_of(values, patch) == grid
    assert torch.equal(unpatchify(patches, patch, grid), values)


def test_patches_are_in_reading_order() -> None:
    """Patch 1 is right of patch 0."""
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert patchify(image, (2, 2))[0].tolist() == [
        [0, 1, 4, 5],
        [2, 3, 6, 7],
        [8, 9, 12, 13],
        [10, 11, 14, 15],
    ]


@pytest.mark.parametrize(
    ("channels", "space", "patch"),
    [(12, (60,), (10,)), (3, (32, 16), (8, 4)), (2, (8, 16, 12), (2, 8, 4))],
)
def test_patches_are_in_the_order_of_the_encoders_tokens(
    channels: int, space: tuple[int, ...], patch: tuple[int, ...]
) -> None:
    convolution = CONVOLUTIONS[len(space)](channels, 5, patch, patch)
    values = torch.rand(2, channels, *space)
    tokens = convolution(values).flatten(2).transpose(1, 2)
    weight = convolution.weight.movedim(1, -1).flatten(1)
    assert torch.allclose(patchify(values, patch) @ weight.T + convolution.bias, tokens, atol=1e-5)


@pytest.mark.parametrize(
    ("patches", "ratio", "visible"),
    [(64, 0.75, 16), (49, 0.6, 19), (196, 0.75, 49), (100, 0.9, 10), (4, 0.99, 1)],
)
def test_exactly_the_asked_part_is_hidden_of_every_sample(
    patches: int, ratio: float, visible: int
) -> None:
    noise = torch.rand(5, patches)
    split = choose_hidden(noise, ratio)
    assert split.visible.shape == (5, visible)
    both = torch.cat([split.visible, split.hidden], dim=1).sort(dim=1).values
    assert torch.equal(both, torch.arange(patches).expand(5, -1))
    least = noise.gather(1, split.hidden).amin(1)
    assert (noise.gather(1, split.visible).amax(1) <= least).all()


def test_every_patch_is_hidden_about_equally_often() -> None:
    random = StepRandom(seed=0, step=0, batch=4000, device=torch.device("cpu"))
    hidden = choose_hidden(random.uniform("mask", 16), 0.75).hidden
    share = torch.bincount(hidden.flatten(), minlength=16) / 4000
    assert (share - 0.75).abs().max() < 0.04


def test_patches_are_normalised_one_by_one() -> None:
    """By hand: (1, 2, 3, 6) has mean 3 and variance (4 + 1 + 0 + 9) / 3."""
    patch = torch.tensor([[[1.0, 2.0, 3.0, 6.0], [5.0, 5.0, 5.0, 5.0]]])
    found = normalise_patches(patch)
    expected = torch.tensor([-2.0, -1.0, 0.0, 3.0]) / (14 / 3 + 1e-6) ** 0.5
    assert torch.allclose(found[0, 0], expected)
    assert found[0, 1].tolist() == [0.0, 0.0, 0.0, 0.0]
