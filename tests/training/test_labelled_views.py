"""Masks and boxes go where the image goes, whatever view is drawn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from medfm_cli.data.batch import Batch, Ragged
from medfm_cli.data.inputs import SeriesInput, VolumeInput
from medfm_cli.data.letterbox import Letterbox
from medfm_cli.data.preprocess import Preprocessing, fit
from medfm_cli.training.augmentations import ImageViews, SeriesViews, VolumeViews
from medfm_cli.training.randomness import StepRandom
from medfm_cli.training.views import draw_labelled_view, draw_view
from medfm_cli.training.views.cropping import ImageCrop, draw_crop
from medfm_cli.training.views.labelled import LEAST_VISIBLE, move_boxes

SIDE = 64
GREY = Preprocessing(size=SIDE)
STILL: dict[str, Any] = {"brightness": 0, "contrast": 0}
"""Options that leave the greys alone, so that marks can be found again."""
EVERY_VIEW = ImageViews(
    crop=[0.3, 1.0], ratio=4 / 3, flip=True, rotate=40, blur=0, noise=0, **STILL
)


def _random(step: int = 0, batch: int = 4, seed: int = 0) -> StepRandom:
    return StepRandom(seed=seed, step=step, batch=batch, device=torch.device("cpu"))


def marked(rectangles: list[tuple[int, int, int, int]], height: int, width: int) -> Batch:
    """A dark image for each rectangle (x0, y0, x1, y1), which is bright, masked and boxed."""
    values, masks, boxes = [], [], []
    letterbox = Letterbox.of(height, width, SIDE)
    for x0, y0, x1, y1 in rectangles:
        pixels = np.zeros((height, width), np.uint8)
        pixels[y0:y1, x0:x1] = 255
        values.append(fit(pixels, SIDE, 1))
        masks.append(letterbox.mask((pixels > 0).astype(np.int16)))
        box = np.array([[x0, y0, x1, y1]])
        boxes.append(torch.from_numpy(letterbox.boxes(box, height=height, width=width)))
    count = len(rectangles)
    return Batch(
        values=torch.from_numpy(np.stack(values)),
        labels=torch.zeros(count),
        rows=torch.arange(count),
        mask=torch.from_numpy(np.stack(masks)),
        boxes=Ragged.of(boxes),
        box_classes=Ragged.of([torch.tensor([number]) for number in range(count)]),
    )


def grey(values: Tensor) -> Tensor:
    """Normalised values in 0…255 again."""
    return (values * 0.5 + 0.5) * 255


@st.composite
def rectangles(draw: st.DrawFn) -> tuple[list[tuple[int, int, int, int]], int, int]:
    height, width = (draw(st.integers(48, 110)) for _ in range(2))
    places = []
    for _ in range(4):
        x0, y0 = draw(st.integers(0, width - 20)), draw(st.integers(0, height - 20))
        across, down = draw(st.integers(8, 20)), draw(st.integers(8, 20))
        places.append((x0, y0, x0 + across, y0 + down))
    return places, height, width


@settings(max_examples=60, deadline=None)
@given(rectangles(), st.integers(0, 1000), st.sampled_from([None, 32]))
def test_mask_and_box_follow_the_image(
    drawn: tuple[list[tuple[int, int, int, int]], int, int], seed: int, size: int | None
) -> None:
    batch = marked(*drawn)
    view = draw_labelled_view(
        batch, EVERY_VIEW, GREY, _random(seed=seed), size=size, least_visible=0.0
    )
    crop = draw_crop(EVERY_VIEW, _random(seed=seed), source=(SIDE, SIDE), size=size)
    assert crop is not None
    for index in range(len(batch)):
        bright = (grey(view.values[index, 0]) > 127).nonzero().float()
        inside = view.mask[index].nonzero().float()
        if min(len(bright), len(inside)) < 8:  # hardly a corner of it is in the view
            continue
        shown = SIDE * crop.boxes[index, 2:].abs().min()
        pixel = max(1.0, float(crop.shape[0] / shown))  # of the image, in pixels of the view
        assert (bright.mean(dim=0) - inside.mean(dim=0)).abs().max() <= pixel
        x0, y0, x1, y1 = view.boxes[index][0].tolist()
        assert y0 - pixel <= inside[:, 0].min() and inside[:, 0].max() + 1 <= y1 + pixel
        assert x0 - pixel <= inside[:, 1].min() and inside[:, 1].max() + 1 <= x1 + pixel


@settings(max_examples=40, deadline=None)
@given(rectangles(), st.integers(0, 1000), st.floats(0.05, 0.95))
def test_a_box_that_is_hardly_in_the_view_is_dropped_and_counted(
    drawn: tuple[list[tuple[int, int, int, int]], int, int], seed: int, least: float
) -> None:
    views = EVERY_VIEW.model_copy(update={"crop": [0.1, 0.4], "rotate": 0})
    batch = marked(*drawn)
    everything = draw_labelled_view(batch, views, GREY, _random(seed=seed), least_visible=0.0)
    view = draw_labelled_view(batch, views, GREY, _random(seed=seed), least_visible=least)
    assert view.boxes_dropped.tolist() == [1 - n for n in view.boxes.lengths.tolist()]
    assert torch.equal(view.boxes.offsets, view.box_classes.offsets)
    assert torch.equal(view.values, everything.values)
    for index in range(len(batch)):
        x0, y0, x1, y1 = everything.boxes[index][0].tolist()
        assert 0 <= x0 <= x1 <= SIDE and 0 <= y0 <= y1 <= SIDE
        if len(view.boxes[index]):
            assert view.box_classes[index].tolist() == [index]
            assert view.boxes[index][0].tolist() == [x0, y0, x1, y1]
        if (x1 - x0) * (y1 - y0) == 0:
            assert not len(view.boxes[index])


def test_half_a_box_stays_and_a_tenth_goes() -> None:
    """A box in the left margin, of which the right half of the image shows nothing."""
    batch = marked([(0, 0, 20, 20), (28, 28, 36, 36)], SIDE, SIDE)
    views = ImageViews(crop=[0.25, 0.25], ratio=1.0, **STILL)
    for seed in range(40):
        random = _random(batch=2, seed=seed)
        view = draw_labelled_view(batch, views, GREY, random)
        uniform = random.uniform("crop", 5)
        left, top = (uniform[:, 2:4] * SIDE / 2).unbind(1)
        for index, (x, y, side) in enumerate([(0, 0, 20), (28, 28, 8)]):
            across = min(x + side, left[index] + 32) - max(x, left[index])
            down = min(y + side, top[index] + 32) - max(y, top[index])
            part = max(0, float(across)) * max(0, float(down)) / side**2
            if abs(part - LEAST_VISIBLE) > 1e-4:
                assert len(view.boxes[index]) == (part >= LEAST_VISIBLE)


def test_the_views_are_those_that_are_drawn_without_masks() -> None:
    batch = marked([(10, 10, 20, 30)] * 4, 60, 50)
    view = draw_labelled_view(batch, EVERY_VIEW, GREY, _random(), name="a")
    assert torch.equal(view.values, draw_view(batch.values, EVERY_VIEW, GREY, _random(), name="a"))
    plain = Batch(values=batch.values, labels=batch.labels, rows=batch.rows)
    assert draw_labelled_view(plain, EVERY_VIEW, GREY, _random()).names == plain.names


def test_parts_of_a_batch_get_the_views_of_the_whole() -> None:
    batch = marked([(10, 10, 20, 30), (30, 5, 50, 20), (0, 0, 9, 9), (20, 40, 44, 60)], 60, 50)
    whole = draw_labelled_view(batch, EVERY_VIEW, GREY, _random())
    parts = [
        draw_labelled_view(
            batch.part(start, start + 2), EVERY_VIEW, GREY, _random().part(start, start + 2)
        )
        for start in (0, 2)
    ]
    joined = Batch.join(parts)
    assert torch.equal(joined.mask, whole.mask)
    assert torch.equal(joined.boxes.values, whole.boxes.values)
    assert torch.equal(joined.boxes_dropped, whole.boxes_dropped)


def test_a_view_that_changes_nothing_keeps_masks_and_boxes() -> None:
    batch = marked([(10, 10, 20, 30)] * 4, 60, 50)
    views = ImageViews(crop=[1.0, 1.0], ratio=1.0, **STILL)
    view = draw_labelled_view(batch, views, GREY, _random())
    assert torch.equal(view.mask, batch.mask)
    assert torch.equal(view.boxes.values, batch.boxes.values)
    assert view.boxes_dropped.tolist() == [0] * 4


def test_an_image_without_a_mask_stays_without() -> None:
    batch = marked([(10, 10, 20, 30)] * 4, 60, 50)
    batch = batch.replace(mask=torch.full_like(batch.mask, -1))
    assert (draw_labelled_view(batch, EVERY_VIEW, GREY, _random()).mask == -1).all()


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(0, 1000))
def test_a_volume_s_mask_follows_its_voxels(data: st.DataObject, seed: int) -> None:
    shape = (4, 1, 16, 32, 32)
    values = torch.zeros(shape, dtype=torch.uint8)
    for index in range(4):
        z, y, x = (data.draw(st.integers(0, side - 8)) for side in shape[2:])
        values[index, 0, z : z + 7, y : y + 8, x : x + 6] = 255
    mask = (values[:, 0] > 0).to(torch.int16)
    batch = Batch(values=values, labels=torch.zeros(4), rows=torch.arange(4), mask=mask)
    views = VolumeViews(
        crop=[0.3, 1.0],
        ratio=1.5,
        flip=["depth", "height", "width"],
        gamma=0,
        noise=0,
        **STILL,
    )
    view = draw_labelled_view(batch, views, VolumeInput(size=32, depths=[16]), _random(seed=seed))
    assert view.mask.dtype == torch.int16
    for index in range(4):
        bright = (grey(view.values[index, 0]) > 127).nonzero().float()
        inside = view.mask[index].nonzero().float()
        if min(len(bright), len(inside)) < 16:
            continue
        assert (bright.mean(dim=0) - inside.mean(dim=0)).abs().max() <= 1


def test_other_kinds_have_no_masks() -> None:
    series = SeriesInput(variables=["HR"], hours=8, mean=[80], std=[10])
    batch = Batch(
        values=torch.zeros(2, 2, 8),
        labels=torch.zeros(2),
        rows=torch.arange(2),
        mask=torch.zeros(2, 8),
    )
    with pytest.raises(ValueError, match="series do not move"):
        draw_labelled_view(batch, SeriesViews(), series, _random(batch=2))


def test_a_quarter_turn_of_a_box_is_exact() -> None:
    """At 90° the moved corners are those of an upright box: no wider than the object."""
    crop = ImageCrop(
        boxes=torch.tensor([[0.0, 0.0, 1.0, 1.0]]),
        angle=torch.tensor([math.pi / 2]),
        source=(SIDE, SIDE),
        shape=(SIDE, SIDE),
        fine=1,
    )
    mask = torch.zeros(1, SIDE, SIDE, dtype=torch.int16)
    mask[:, 10:20, 30:50] = 3
    boxes, visible = move_boxes(
        torch.tensor([[30.0, 10.0, 50.0, 20.0]]), torch.zeros(1, dtype=torch.int64), crop
    )
    places = crop.masks(mask)[0].nonzero()
    low, high = places.amin(dim=0), places.amax(dim=0) + 1
    expected = [low[1], low[0], high[1], high[0]]
    assert torch.allclose(boxes[0], torch.stack(expected).float(), atol=1e-3)
    assert visible.tolist() == pytest.approx([1.0])
