"""Random views of volumes: places, windows in HU, greys; the same however the batch is split."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from medfm_cli.data.inputs import VolumeInput
from medfm_cli.models.inputs import normalise
from medfm_cli.training.augmentations import VolumeViews
from medfm_cli.training.randomness import StepRandom
from medfm_cli.training.views import draw_view
from medfm_cli.training.views.volumes import AXES, crop_sides, volume_views

STILL: dict[str, Any] = {"crop": [1.0, 1.0], "ratio": 1.0}
GREY = VolumeInput(size=12, depths=[4, 8])
CT = VolumeInput(size=12, depths=[4, 8], window=[-160.0, 240.0])


def _random(step: int = 0, batch: int = 6) -> StepRandom:
    return StepRandom(seed=0, step=step, batch=batch, device=torch.device("cpu"))


def _greys(channels: int = 1, depth: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (6, channels, depth, 12, 12)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def _hounsfield() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(-1024, 1500, (6, 1, 8, 12, 12), generator=generator, dtype=torch.int16)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("depth", [4, 8])
def test_a_crop_is_what_grid_sample_gives(channels: int, depth: int) -> None:
    """Sampled trilinearly at once, where the code goes along one axis after the other."""
    batch = _greys(channels, depth)
    views = VolumeViews(crop=[0.2, 0.7], ratio=1.5, flip=["depth", "width"])
    out = volume_views(batch, views, GREY, _random())
    halves, centres = crop_sides(views, _random().uniform("crop", 7))
    for axis in (0, 2):
        mirrored = _random().uniform(f"flip {AXES[axis]}") < 0.5
        assert 0 < mirrored.sum() < 6
        halves[:, axis] = torch.where(mirrored, -halves[:, axis], halves[:, axis])
    theta = torch.zeros(6, 3, 4)  # x, y, z of grid_sample are width, height, depth
    for row, axis in enumerate((2, 1, 0)):
        theta[:, row, row], theta[:, row, 3] = halves[:, axis], centres[:, axis]
    grid = functional.affine_grid(theta, list(batch.shape), align_corners=False)
    expected = functional.grid_sample(
        batch.float(), grid, padding_mode="border", align_corners=False
    )
    assert torch.allclose(out, expected, atol=1e-2)


def test_crops_have_the_asked_volume_and_shape() -> None:
    views = VolumeViews(crop=[0.2, 0.5], ratio=1.5)
    halves, centres = crop_sides(views, torch.rand(500, 7))
    whole = (halves < 1).all(dim=1)
    volume = halves.prod(dim=1)[whole]
    assert volume.min() >= 0.2 - 1e-5 and volume.max() <= 0.5 + 1e-5
    assert (halves.amax(dim=1) / halves.amin(dim=1)).max() <= 1.5 + 1e-5
    assert (centres.abs() + halves <= 1 + 1e-6).all()


def test_a_jittered_window_shows_what_that_window_shows() -> None:
    """The window itself moved and widened: another `window` of the input."""
    batch = _hounsfield()
    view = draw_view(batch, VolumeViews(**STILL, level=40.0, width=0.3), CT, _random())
    draws = 2 * _random().uniform("window", 2) - 1
    for shown, voxels, (level, width) in zip(view, batch, draws.tolist(), strict=True):
        centre, half = 40.0 + 40.0 * level, 200.0 * (1 + 0.3 * width)
        moved = CT.model_copy(update={"window": [centre - half, centre + half]})
        assert torch.allclose(shown, normalise(voxels[None], moved)[0], atol=1e-5)


def test_a_window_jitter_cuts_nothing_before_the_normalisation() -> None:
    """What lies outside of the window can come into it, so its values must still be there."""
    batch = _hounsfield()
    out = volume_views(batch, VolumeViews(**STILL, level=40.0), CT, _random())
    shift = 40 * (2 * _random().uniform("window", 2)[:, :1] - 1)
    assert torch.allclose(out, batch - shift.view(-1, 1, 1, 1, 1), atol=1e-3)


def test_without_a_change_values_stay_as_they_are() -> None:
    for batch, preprocessing in ((_greys(), GREY), (_hounsfield(), CT)):
        view = draw_view(batch, VolumeViews(**STILL), preprocessing, _random())
        assert torch.equal(view, normalise(batch, preprocessing))


def test_greys_change_as_asked() -> None:
    batch = _greys()
    views = VolumeViews(**STILL, brightness=0.2, contrast=0.3, gamma=0.5)
    out = volume_views(batch, views, GREY, _random())
    draws = (2 * _random().uniform("greys", 3) - 1).tolist()
    for shown, voxels, (contrast, brightness, gamma) in zip(out, batch, draws, strict=True):
        powered = (voxels.double() / 255) ** math.exp(gamma * math.log(1.5))
        mean = powered.mean()
        expected = (1 + 0.2 * brightness) * ((1 + 0.3 * contrast) * (powered - mean) + mean)
        assert torch.allclose(shown.double(), 255 * expected.clamp(0, 1), atol=1e-2)


def test_noise_is_as_strong_as_drawn() -> None:
    batch = torch.full((6, 1, 8, 32, 32), 128, dtype=torch.uint8)
    out = volume_views(batch, VolumeViews(**STILL, noise=0.1), GREY, _random())
    strength = 25.5 * _random().uniform("noise", 2)[:, 0]
    assert torch.allclose((out - 128).std(dim=(1, 2, 3, 4)), strength, rtol=0.05)


def test_depends_on_step_and_name_and_not_on_how_the_batch_is_split() -> None:
    views = VolumeViews(flip=["width"], level=30, width=0.2, gamma=0.2, noise=0.05)
    batch = _hounsfield()

    def view(part: slice = slice(0, 6), step: int = 0, name: str = "") -> Tensor:
        random = _random(step).part(part.start, part.stop)
        return draw_view(batch[part], views, CT, random, name=name)

    whole = view()
    assert whole.shape == batch.shape and whole.dtype == torch.float32
    assert torch.equal(whole, view())
    assert torch.allclose(whole, torch.cat([view(slice(0, 2)), view(slice(2, 6))]), atol=1e-4)
    assert not torch.equal(whole, view(step=1))
    assert not torch.equal(whole, view(name="second"))
