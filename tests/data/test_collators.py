"""Masks, boxes and tokens in batches: each with its sample, whoever loads it, in any world."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from content_dataset import content_dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from medfm_cli.data import Batch, Dataset, Loader, LoaderOptions, Ragged
from medfm_cli.data.collators import (
    ArrayCollator,
    BoxCollator,
    Collator,
    JoinedCollator,
    MaskCollator,
    TokenCollator,
)
from medfm_cli.data.collators.tokens import length_buckets
from medfm_cli.data.inputs import Preprocessing, SignalInput, VolumeInput
from medfm_cli.errors import DataError
from medfm_cli.samples.content import Image2D, Volume

COUNT = 11
SMALL = Preprocessing(size=16)
HOW: dict[str, dict[str, Any]] = {
    "main process": {"workers": 0, "cache": False},
    "memory": {"cache": True},
    "fork": {"workers": 2, "cache": False, "start_method": "fork"},
}


def marked(number: int) -> tuple[Image2D, NDArray[np.uint8], list[list[Any]]]:
    """A dark image with bright rectangles, as many as `number` modulo 3; its mask; its boxes."""
    generator = np.random.default_rng(number)
    height, width = generator.integers(20, 60, 2)
    pixels, mask = (np.zeros((height, width), np.uint8) for _ in range(2))
    pixels[:] = number  # no two images alike
    boxes = []
    for name in ["nodule", "mass"][: number % 3]:
        x, y = generator.integers(2, width - 12), generator.integers(2, height - 12)
        pixels[y : y + 8, x : x + 10] = 255
        mask[y : y + 8, x : x + 10] = 1 + (name == "mass")
        boxes.append([name, int(x), int(y), int(x) + 10, int(y) + 8])
    return Image2D(pixels), mask, boxes


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    pictures, masks, boxes = zip(*(marked(number) for number in range(COUNT)), strict=True)
    return content_dataset(
        tmp_path_factory.mktemp("marked"),
        pictures,
        masks=[None if number == 4 else mask for number, mask in enumerate(masks)],
        boxes=[json.dumps(each) for each in boxes],
    )


class Texts:
    """Token sequences: row r has r² modulo 13 tokens, all of them r."""

    def whole(self, row: int) -> NDArray[np.int32]:
        return np.full(row * row % 13, row, dtype=np.int32)

    def lengths(self, rows: Iterable[int]) -> NDArray[np.int64]:
        return np.array([row * row % 13 for row in rows], dtype=np.int64)


def everything(dataset: Dataset, rows: NDArray[np.int64]) -> JoinedCollator:
    return JoinedCollator.of(
        ArrayCollator.of(dataset, rows, SMALL),
        MaskCollator.of(dataset, rows, SMALL),
        BoxCollator.of(dataset, rows, SMALL),
        TokenCollator.of(Texts(), rows, length=10, pad=None, buckets=2),
    )


def load(dataset: Dataset, collator: Collator | None = None, **values: Any) -> Loader:
    rows = dataset.rows(kind=None)
    options = LoaderOptions(**{"global_batch": 4, "seed": 5, "workers": 0, **values})
    return Loader(dataset, rows, collator or everything(dataset, rows), options)


def alike(one: Batch, two: Batch) -> bool:
    return one.names == two.names and all(
        torch.equal(one[name].values, two[name].values)
        and torch.equal(one[name].offsets, two[name].offsets)
        if isinstance(one[name], Ragged)
        else torch.equal(one[name], two[name])
        for name in one.names
    )


@pytest.mark.parametrize("how", HOW)
def test_each_sample_has_its_own_mask_boxes_and_tokens(dataset: Dataset, how: str) -> None:
    loader = load(dataset, **HOW[how])
    seen = set()
    for batch in loader.steps(0, 2 * loader.steps_per_epoch):
        for index, row in enumerate(batch.rows.tolist()):
            seen.add(row)
            picture, mask, boxes = marked(row)
            assert torch.equal(batch.values[index], torch.from_numpy(SMALL.fit(picture)))
            if row == 4:
                assert (batch["mask"][index] == -1).all()
            else:
                assert batch["mask"][index].tolist() == SMALL.fit_mask(mask).tolist()
            assert batch["box_classes"][index].tolist() == [
                ["mass", "nodule"].index(box[0]) for box in boxes
            ]
            scale = 16 / max(mask.shape)
            sides = batch["boxes"][index][:, 2:] - batch["boxes"][index][:, :2]
            expected = torch.tensor([[10 * scale, 8 * scale]] * len(boxes)).view(-1, 2)
            assert torch.allclose(sides, expected, atol=0.5)
            assert batch["tokens"][index].tolist() == [row] * min(10, row * row % 13)
            assert batch["token_counts"][index] == min(10, row * row % 13)
    assert len(seen) >= COUNT - 3  # each bucket's last batch is not full
    loader.close()


def test_the_box_and_the_mask_are_where_the_image_is_bright(dataset: Dataset) -> None:
    loader = load(dataset, shuffle=False, drop_last=False)
    for batch in loader.batches(0):
        for index in (batch["boxes"].lengths == 1).nonzero()[:, 0].tolist():
            bright = (batch.values[index, 0] > 200).nonzero()
            x0, y0, x1, y1 = batch["boxes"][index][0].tolist()
            assert x0 - 1 <= bright[:, 1].min() and bright[:, 1].max() <= x1
            assert y0 - 1 <= bright[:, 0].min() and bright[:, 0].max() <= y1
            if batch.rows[index] != 4:
                middle = (batch["mask"][index] == 1).nonzero().float().mean(dim=0)
                assert torch.allclose(middle, bright.float().mean(dim=0), atol=1)
    loader.close()


@settings(max_examples=20)
@given(data=st.data(), world=st.integers(1, 3), cache=st.booleans())
def test_any_world_resumed_anywhere_gets_the_same_batches(
    dataset: Dataset, data: st.DataObject, world: int, cache: bool
) -> None:
    values = {"seed": data.draw(st.integers(0, 99)), "cache": cache}
    whole = list(load(dataset, **values).steps(0, 6))
    start = data.draw(st.integers(0, 6))
    ranks = [
        list(load(dataset, rank=rank, world=world, **values).steps(start, 6))
        for rank in range(world)
    ]
    for one, parts in zip(whole[start:], zip(*ranks, strict=True), strict=True):
        assert alike(Batch.join(parts), one)


def test_masks_of_volumes_have_the_depth_of_their_scan(tmp_path: Path) -> None:
    scans, masks = [], []
    for depth in (6, 9, 6, 9):
        mask = np.zeros((depth, 20, 14), dtype=np.uint8)
        mask[depth // 2 :, 8:12, 3:6] = 2
        masks.append(mask)
        scans.append(Volume((mask * 100 + len(masks)).astype(np.uint8), (2.0, 1.0, 1.0)))
    dataset = content_dataset(tmp_path, scans, masks=masks)
    network_input, rows = VolumeInput(size=16, depths=[4, 8]), dataset.rows(kind="volume")
    collator = JoinedCollator.of(
        ArrayCollator.of(dataset, rows, network_input),
        MaskCollator.of(dataset, rows, network_input),
    )
    loader = load(dataset, collator, global_batch=2, shuffle=False)
    depths = set()
    for batch in loader.batches(0):
        depths.add(batch["mask"].shape[1])
        assert batch["mask"].shape == batch.values[:, 0].shape
        for values, mask in zip(batch.values[:, 0], batch["mask"], strict=True):
            places = [(each > 0).nonzero().float().mean(dim=0) for each in (values > 100, mask)]
            assert torch.allclose(*places, atol=1)
    assert depths == {4, 8}


def test_signals_have_no_masks(dataset: Dataset) -> None:
    with pytest.raises(DataError, match="signal have no masks"):
        MaskCollator.of(dataset, dataset.rows(), SignalInput(leads=["I"], rate=50, seconds=2))


def test_a_box_of_no_known_class_is_refused(dataset: Dataset) -> None:
    with pytest.raises(DataError, match="'mass', which is none of the classes"):
        BoxCollator.of(dataset, dataset.rows(), SMALL, classes=["nodule"])


def test_padded_tokens_have_an_attention_mask() -> None:
    collator = TokenCollator.of(Texts(), np.arange(COUNT), length=10, pad=99)
    tensors = collator.collate(np.array([1, 0, 3]), lambda shape, _: torch.empty(shape))
    assert isinstance(tensors["tokens"], torch.Tensor)
    assert tensors["tokens"].tolist() == [[1] + [99] * 8, [99] * 9, [3] * 9]
    assert torch.equal(tensors["attention_mask"], tensors["tokens"] != 99)
    assert tensors["token_counts"].tolist() == [1, 0, 9]


@given(st.lists(st.integers(0, 500), min_size=1, max_size=60), st.integers(1, 6))
def test_a_bucket_holds_the_lengths_up_to_its_bound(lengths: list[int], count: int) -> None:
    bounds, buckets = length_buckets(np.array(lengths), count)
    assert len(bounds) <= count and list(bounds) == sorted(set(bounds))
    for length, bucket in zip(lengths, buckets.tolist(), strict=True):
        assert length <= bounds[bucket]
        assert bucket == 0 or length > bounds[bucket - 1]


def test_texts_of_one_length_bucket_share_a_batch() -> None:
    rows = np.arange(200)
    collator = TokenCollator.of(Texts(), rows, length=100, pad=0, buckets=2)
    lengths = Texts().lengths(rows)
    assert len(collator.bounds) == 2
    for group in (0, 1):
        inside = lengths[collator.groups == group]
        assert inside.max() <= collator.bounds[group]
