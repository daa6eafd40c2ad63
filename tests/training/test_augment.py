"""Random views: right geometry, right range, the same for the same step."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from training_tools import images

from medfm_cli.training.augment import augment, crop_boxes
from medfm_cli.training.options import Augment
from medfm_cli.training.randomness import StepRandom

WHOLE = Augment(crop=[1.0, 1.0], ratio=1.0)


def _random(step: int = 0, batch: int = 8) -> StepRandom:
    return StepRandom(seed=0, step=step, batch=batch, device=torch.device("cpu"))


def test_the_whole_image_stays_as_it_is() -> None:
    batch = images(8)
    assert torch.equal(augment(batch, WHOLE, _random()), batch.float())


def test_a_flip_mirrors_about_half_of_the_images_exactly() -> None:
    batch = images(64)
    out = augment(batch, Augment(crop=[1.0, 1.0], ratio=1.0, flip=True), _random(batch=64))
    mirrored = batch.float().flip(3)
    kept = [torch.allclose(a, b, atol=1e-3) for a, b in zip(out, batch.float(), strict=True)]
    turned = [torch.allclose(a, b, atol=1e-3) for a, b in zip(out, mirrored, strict=True)]
    assert all(k != t for k, t in zip(kept, turned, strict=True))
    assert 16 < sum(turned) < 48


def test_a_crop_of_a_ramp_is_the_ramp_of_its_box() -> None:
    """On an image whose grey value is x, the crop shows where it was cut."""
    size, count = 32, 16
    ramp = torch.arange(size, dtype=torch.uint8).expand(count, 1, size, size)
    options, random = Augment(crop=[0.2, 0.8]), _random(batch=count)
    out = augment(ramp, options, random)
    boxes = crop_boxes(options, random.uniform("crop", 5))
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
    options = Augment(crop=[small, large], ratio=ratio, flip=flip)
    boxes = crop_boxes(options, torch.rand(200, 5))
    width, height = boxes[:, 2].abs(), boxes[:, 3]
    assert (boxes[:, 0].abs() + width <= 1 + 1e-5).all()
    assert (boxes[:, 1].abs() + height <= 1 + 1e-5).all()
    assert (width * height <= large + 1e-5).all()
    uncut = (width < 1) & (height < 1)
    assert (width * height >= small - 1e-5)[uncut].all()
    assert flip or (boxes[:, 2] >= 0).all()


def test_grey_values_stay_in_range_and_change_as_asked() -> None:
    batch = images(8)
    options = Augment(crop=[1.0, 1.0], ratio=1.0, brightness=0.2, contrast=0.3)
    out = augment(batch, options, _random())
    assert out.min() >= 0 and out.max() <= 255
    draws = 2 * _random().uniform("greys", 2) - 1
    mean = batch.float().mean(dim=(1, 2, 3), keepdim=True)
    expected = (1 + 0.3 * draws[:, 0].view(-1, 1, 1, 1)) * (batch - mean) + mean
    expected = expected + 255 * 0.2 * draws[:, 1].view(-1, 1, 1, 1)
    assert torch.allclose(out, expected.clamp(0, 255), atol=1e-3)


def test_depends_on_step_and_view_and_not_on_how_the_batch_is_split() -> None:
    batch, options = images(8), Augment(brightness=0.1)
    whole = augment(batch, options, _random())
    parts = [augment(batch[s : s + 4], options, _random().part(s, s + 4)) for s in (0, 4)]
    assert torch.allclose(whole, torch.cat(parts), atol=1e-4)
    assert not torch.equal(whole, augment(batch, options, _random(1)))
    assert not torch.equal(whole, augment(batch, options, _random(), view="second"))
