"""Random views of images: right geometry, right colours, the same for the same step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms.v2 import functional as reference
from training_tools import images

from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.models.inputs import normalise
from medfm_cli.training.augmentations import ImageViews
from medfm_cli.training.randomness import StepRandom
from medfm_cli.training.views import draw_view
from medfm_cli.training.views.cropping import crop_boxes, moved_inside, turned_grid
from medfm_cli.training.views.images import image_views

STILL: dict[str, Any] = {"crop": [1.0, 1.0], "ratio": 1.0}
"""Options of views that leave the geometry alone."""
GREY = Preprocessing(size=8, channels=1)
COLOUR = Preprocessing(size=32, channels=3, mean=[0.5, 0.4, 0.3], std=[0.2, 0.3, 0.1])


def _random(step: int = 0, batch: int = 8) -> StepRandom:
    return StepRandom(seed=0, step=step, batch=batch, device=torch.device("cpu"))


def _colours(count: int = 8, side: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, side, side), generator=generator, dtype=torch.uint8)


def test_the_whole_image_stays_as_it_is() -> None:
    batch = images(8)
    view = draw_view(batch, ImageViews(**STILL), GREY, _random())
    assert torch.equal(view, normalise(batch, GREY))


def test_a_flip_mirrors_about_half_of_the_images_exactly() -> None:
    batch = images(64)
    out = image_views(batch, ImageViews(**STILL, flip=True), _random(batch=64))
    mirrored = batch.float().flip(3)
    kept = [torch.allclose(a, b, atol=1e-3) for a, b in zip(out, batch.float(), strict=True)]
    turned = [torch.allclose(a, b, atol=1e-3) for a, b in zip(out, mirrored, strict=True)]
    assert all(k != t for k, t in zip(kept, turned, strict=True))
    assert 16 < sum(turned) < 48


def test_a_crop_of_a_ramp_is_the_ramp_of_its_box() -> None:
    """On an image whose grey value is x, the crop shows where it was cut."""
    size, count = 32, 16
    ramp = torch.arange(size, dtype=torch.uint8).expand(count, 1, size, size)
    views, random = ImageViews(crop=[0.2, 0.8]), _random(batch=count)
    out = image_views(ramp, views, random)
    boxes = crop_boxes(views, random.uniform("crop", 5))
    centre = ((boxes[:, 0] + 1) * size - 1) / 2
    step = boxes[:, 2]
    middle = out[:, 0, size // 2, size // 2 - 1 : size // 2 + 1]
    assert torch.allclose(middle.mean(dim=1), centre, atol=1e-2)
    assert torch.allclose(middle[:, 1] - middle[:, 0], step, atol=1e-2)


@given(st.floats(0.05, 1.0), st.floats(0.0, 1.0), st.floats(1.0, 3.0), st.booleans())
def test_boxes_lie_inside_the_image_and_have_the_asked_area(
    small: float, more: float, ratio: float, flip: bool
) -> None:
    large = small + (1 - small) * more
    views = ImageViews(crop=[small, large], ratio=ratio, flip=flip)
    boxes = crop_boxes(views, torch.rand(200, 5))
    width, height = boxes[:, 2].abs(), boxes[:, 3]
    assert (boxes[:, 0].abs() + width <= 1 + 1e-5).all()
    assert (boxes[:, 1].abs() + height <= 1 + 1e-5).all()
    assert (width * height <= large + 1e-5).all()
    uncut = (width < 1) & (height < 1)
    assert (width * height >= small - 1e-5)[uncut].all()
    assert flip or (boxes[:, 2] >= 0).all()


def test_a_turned_crop_is_torchvision_s() -> None:
    """Beside the whole image turned about the crop's centre, and then cropped."""
    side, count = 64, 32
    down, across = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    smooth = 127 + 60 * torch.sin(across / 9) + 60 * torch.cos(down / 7)
    views, random = ImageViews(crop=[0.25, 0.25], ratio=1.0, rotate=30), _random(batch=count)
    out = image_views(smooth.expand(count, 1, side, side), views, random)
    places = (crop_boxes(views, random.uniform("crop", 5))[:, :2] + 1) * side / 2
    angles = 30 * (2 * random.uniform("rotate") - 1)
    inside = ((places - side / 2).abs() < 10).all(dim=1)
    assert inside.sum() > 8  # the others are moved until all of them is inside
    for view, (x, y), angle in zip(out[inside], places[inside], angles[inside], strict=True):
        turned = reference.rotate(
            smooth[None],
            float(angle),
            center=[float(x), float(y)],
            interpolation=reference.InterpolationMode.BILINEAR,
        )
        top, left = round(float(y)) - side // 4, round(float(x)) - side // 4
        expected = reference.resized_crop(turned, top, left, side // 2, side // 2, [side, side])
        wrong = (view - expected)[:, 8:-8, 8:-8].abs().mean()
        assert wrong < 4  # the place is rounded to a pixel; turned the other way it is 30


@pytest.mark.parametrize("rotate", [10.0, 45.0, 180.0])
def test_a_turned_crop_shows_only_what_was_there(rotate: float) -> None:
    """No place is looked at that lies outside."""
    views = ImageViews(crop=[0.3, 0.6], rotate=rotate)
    random = _random(batch=64)
    boxes = crop_boxes(views, random.uniform("crop", 5))
    angle = math.radians(rotate) * (2 * random.uniform("rotate") - 1)
    boxes = moved_inside(boxes, angle, aspect=1.0)
    grid = turned_grid(boxes, angle, (16, 16), aspect=1.0)
    assert grid.abs().max() <= 1


def test_a_smaller_view_does_not_alias() -> None:
    """Stripes finer than the new pixels become the even grey between them."""
    stripes = torch.zeros(8, 1, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 200
    out = image_views(stripes, ImageViews(**STILL), _random(), size=16)
    assert out.shape == (8, 1, 16, 16)
    assert (out[..., 1:-1] - 100).abs().max() < 3


def test_a_smaller_view_is_nearly_torchvision_s_with_antialiasing() -> None:
    generator = torch.Generator().manual_seed(0)
    rough = torch.randint(0, 256, (8, 3, 12, 12), generator=generator, dtype=torch.uint8)
    batch = reference.resize(rough, [96, 96])
    out = image_views(batch, ImageViews(**STILL), _random(), size=32)
    expected = reference.resize(batch.float(), [32, 32], antialias=True)
    assert (out - expected).abs().mean() < 1.5


def test_the_crop_of_a_call_is_the_one_taken() -> None:
    ramp = torch.arange(64, dtype=torch.uint8).expand(8, 1, 64, 64)
    out = image_views(ramp, ImageViews(ratio=1.0), _random(), crop=(0.25, 0.25), size=24)
    assert torch.allclose(out[..., -1] - out[..., 0], torch.tensor(32 * 23 / 24), atol=0.1)


def test_brightness_and_contrast_are_torchvision_s() -> None:
    """Its two factors one after the other; they meet no end of the range between."""
    batch = 80 + images(8) // 4
    views = ImageViews(**STILL, brightness=0.9, contrast=0.3)
    out = image_views(batch, views, _random())
    draws = (2 * _random().uniform("greys", 2) - 1).tolist()
    for view, image, (contrast, brightness) in zip(out, batch, draws, strict=True):
        contrasted = reference.adjust_contrast(image.float() / 255, 1 + 0.3 * contrast)
        expected = reference.adjust_brightness(contrasted, 1 + 0.9 * brightness)
        assert torch.allclose(view, 255 * expected, atol=1e-2)
    assert out.max() == 255


@pytest.mark.parametrize("strength", [0.1, 0.5])
def test_hue_and_saturation_are_torchvision_s(strength: float) -> None:
    batch = _colours()
    draws = strength * (2 * _random().uniform("colours", 2) - 1)
    hued = image_views(batch, ImageViews(**STILL, hue=strength), _random())
    rich = image_views(batch, ImageViews(**STILL, saturation=strength), _random())
    for i, (factor, turn) in enumerate(draws.tolist()):
        scaled = batch[i].float() / 255
        expected = 255 * reference.adjust_hue(scaled, turn)
        assert torch.allclose(hued[i], expected, atol=0.01)
        expected = 255 * reference.adjust_saturation(scaled, 1 + factor)
        assert torch.allclose(rich[i], expected, atol=0.05)


@pytest.mark.parametrize("channels", [1, 3])
def test_changes_of_colour_leave_greys_alone(channels: int) -> None:
    grey = images(8).expand(8, channels, 8, 8)
    views = ImageViews(**STILL, hue=0.4, saturation=0.4, greyscale=0.5)
    assert torch.allclose(image_views(grey, views, _random()), grey.float(), atol=1e-3)


def test_greyscale_and_solarise_are_torchvision_s() -> None:
    batch = _colours()
    grey = image_views(batch, ImageViews(**STILL, greyscale=1.0), _random())
    expected = reference.rgb_to_grayscale(batch.float(), num_output_channels=3)
    assert torch.allclose(grey, expected, atol=0.05)
    solar = image_views(batch, ImageViews(**STILL, solarise=1.0), _random())
    assert torch.equal(solar, reference.solarize(batch, 128).float())


def test_blur_is_torchvision_s() -> None:
    batch = _colours()
    views = ImageViews(**STILL, blur=1.0, blur_sigma=[0.5, 3.0])
    out = image_views(batch, views, _random())
    sigmas = 0.5 + 2.5 * _random().uniform("sigma")
    for view, image, sigma in zip(out, batch, sigmas.tolist(), strict=True):
        expected = reference.gaussian_blur(image.float(), [19, 19], [sigma, sigma])
        assert torch.allclose(view, expected, atol=1e-2)


def test_blur_fits_into_small_images() -> None:
    out = image_views(images(8), ImageViews(**STILL, blur=1.0, blur_sigma=[4.0, 4.0]), _random())
    assert out.shape == (8, 1, 8, 8)
    assert out.std() < images(8).float().std()


@pytest.mark.parametrize("name", ["blur", "solarise", "greyscale", "jitter"])
def test_a_chance_is_the_part_of_the_images_that_changes(name: str) -> None:
    batch = _colours(400, 4)
    views = ImageViews(**STILL, **{"brightness": 0.5, "jitter": 0.0, name: 0.3})
    out = image_views(batch, views, _random(batch=400))
    changed = (out != batch.float()).flatten(1).any(dim=1).float().mean()
    assert 0.22 < changed < 0.38


def test_a_chance_of_none_in_a_small_batch_changes_nothing() -> None:
    views = ImageViews(**STILL, blur=1e-6, solarise=1e-6, greyscale=1e-6)
    assert torch.equal(image_views(_colours(), views, _random()), _colours().float())


def test_noise_is_white_and_as_strong_as_drawn() -> None:
    batch = torch.full((8, 1, 64, 64), 128, dtype=torch.uint8)
    out = image_views(batch, ImageViews(**STILL, noise=0.1), _random()) - 128
    strength = 25.5 * _random().uniform("noise", 2)[:, 0]
    assert torch.allclose(out.std(dim=(1, 2, 3)), strength, rtol=0.05)
    flat = (out / strength.view(-1, 1, 1, 1)).flatten(1).numpy()
    assert np.abs(np.corrcoef(flat) - np.eye(8)).max() < 0.06
    shifted = [float((flat[:, lag:] * flat[:, :-lag]).mean()) for lag in (1, 2, 64)]
    assert max(map(abs, shifted)) < 0.02
    from scipy import stats

    assert stats.kstest(flat[strength.argmax()], "norm").pvalue > 0.01


def test_the_second_view_differs_as_asked() -> None:
    views = ImageViews.model_validate({"blur": 1.0, "second": {"blur": 0.1, "solarise": 0.2}})
    second = views.version("second")
    assert (second.blur, second.solarise, second.crop) == (0.1, 0.2, views.crop)
    assert views.version("local") == views


EVERYTHING = ImageViews(
    flip=True,
    rotate=20,
    brightness=0.1,
    contrast=0.4,
    saturation=0.2,
    hue=0.1,
    jitter=0.8,
    greyscale=0.2,
    blur=0.5,
    solarise=0.2,
    noise=0.05,
)


@pytest.mark.parametrize("size", [None, 16])
def test_depends_on_step_and_name_and_not_on_how_the_batch_is_split(size: int | None) -> None:
    batch = _colours()

    def view(part: slice = slice(0, 8), step: int = 0, name: str = "") -> Tensor:
        random = _random(step).part(part.start, part.stop)
        return draw_view(batch[part], EVERYTHING, COLOUR, random, name=name, size=size)

    whole = view()
    assert torch.equal(whole, view())
    assert whole.dtype == torch.float32 and whole.isfinite().all()
    parts = [view(slice(0, 2)), view(slice(2, 8))]
    assert torch.allclose(whole, torch.cat(parts), atol=1e-3)
    assert not torch.equal(whole, view(step=1))
    assert not torch.equal(whole, view(name="second"))


def test_the_batch_is_left_as_it_was() -> None:
    batch = _colours().float()
    before = batch.clone()
    image_views(
        batch, EVERYTHING.model_copy(update=STILL | {"flip": False, "rotate": 0.0}), _random()
    )
    assert torch.equal(batch, before)
