"""Several datasets as one: every row knows where it is from, and labels share one list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from content_dataset import content_dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from medfm_cli.data import Batch, ConcatDataset, Loader, LoaderOptions
from medfm_cli.data.collators import ArrayCollator, JoinedCollator, MaskCollator
from medfm_cli.data.inputs import Preprocessing
from medfm_cli.errors import DataError
from medfm_cli.samples.content import Image2D

LABELS = [["ill", "well", None, "ill"], ["well", "odd", "odd"], ["ill", None]]
SIZES = [len(labels) for labels in LABELS]
SMALL = Preprocessing(size=8)


def shade(source: int, row: int) -> int:
    """The grey value of every pixel of a sample: it says which sample it is."""
    return 60 * source + 10 * row + 5


@pytest.fixture(scope="module")
def concat(tmp_path_factory: pytest.TempPathFactory) -> ConcatDataset:
    datasets = []
    for source, labels in enumerate(LABELS):
        pixels = [np.full((9, 7), shade(source, row), np.uint8) for row in range(len(labels))]
        dataset = content_dataset(
            tmp_path_factory.mktemp("part"),
            [Image2D(each) for each in pixels],
            masks=[each // 5 for each in pixels],
            splits=["train"] * (len(labels) - 1) + ["test"],
            label=labels,
            client=[f"site-{row % 2}" for row in range(len(labels))],
        )
        datasets.append(dataset)
    return ConcatDataset(datasets)


def load(dataset: ConcatDataset, **values: Any) -> Loader:
    rows = dataset.rows()
    collator = JoinedCollator.of(
        ArrayCollator.of(dataset, rows, SMALL), MaskCollator.of(dataset, rows, SMALL)
    )
    options = LoaderOptions(**{"global_batch": 4, "seed": 1, "workers": 0, **values})
    return Loader(dataset, rows, collator, options)


@pytest.mark.parametrize("how", [{}, {"cache": True}, {"workers": 1, "start_method": "fork"}])
def test_every_row_comes_from_its_source(concat: ConcatDataset, how: dict[str, Any]) -> None:
    loader = load(concat, **{"cache": False, "drop_last": False, **how})
    starts = np.cumsum([0, *SIZES])
    seen = []
    for batch in loader.batches(0):
        for index, row in enumerate(batch.rows.tolist()):
            source = int(batch["source"][index])
            local = row - int(starts[source])
            label = LABELS[source][local]
            assert batch.labels[index] == (-1 if label is None else concat.classes.index(label))
            assert batch.values[index, 0, 4, 4] == shade(source, local)
            assert batch["mask"][index, 4, 4] == shade(source, local) // 5
            assert concat.sample_id(row) == concat.datasets[source].sample_id(local)
            seen.append(row)
    assert sorted(seen) == list(range(sum(SIZES)))
    loader.close()


@settings(max_examples=20)
@given(start=st.integers(0, 6), world=st.integers(1, 3), seed=st.integers(0, 9))
def test_any_world_resumed_anywhere_gets_the_same_rows(
    concat: ConcatDataset, start: int, world: int, seed: int
) -> None:
    whole = list(load(concat, seed=seed).steps(0, 6))[start:]
    ranks = [
        list(load(concat, seed=seed, rank=rank, world=world).steps(start, 6))
        for rank in range(world)
    ]
    for one, parts in zip(whole, zip(*ranks, strict=True), strict=True):
        joined = Batch.join(parts)
        assert joined.names == one.names
        assert all(torch.equal(joined[name], one[name]) for name in one.names)


def test_rows_of_a_split_are_those_of_every_dataset(concat: ConcatDataset) -> None:
    assert concat.rows("test").tolist() == [3, 6, 8]
    assert concat.rows("train", labelled=True).tolist() == [0, 1, 4, 5, 7]
    assert concat.rows("train", client="site-1").tolist() == [1, 5]
    with pytest.raises(DataError, match="no client 'site-7'; it has site-0, site-1"):
        concat.rows(client="site-7")
    assert concat.source(np.array([0, 3, 4, 6, 7, 8])).tolist() == [0, 0, 1, 1, 2, 2]
    assert concat.join([np.array([1]), np.array([], np.int64), np.array([0])]).tolist() == [1, 7]


def test_classes_can_be_given(concat: ConcatDataset) -> None:
    assert concat.classes == ["ill", "well", "odd"]
    again = ConcatDataset(concat.datasets, classes=["new", "odd", "well", "ill"])
    assert again.labels().tolist() == [3, 2, -1, 3, 2, 1, 1, 3, -1]
    with pytest.raises(DataError, match="has the class 'odd'"):
        ConcatDataset(concat.datasets, classes=["ill", "well"])


def test_the_version_names_the_datasets_in_their_order(concat: ConcatDataset) -> None:
    assert ConcatDataset(concat.datasets).version == concat.version
    assert ConcatDataset(concat.datasets[::-1]).version != concat.version


def test_a_damaged_sample_is_named(tmp_path: Path) -> None:
    parts = []
    for source in (0, 1):
        pixels = np.full((9, 7), source, np.uint8)
        parts.append(content_dataset(tmp_path / str(source), [Image2D(pixels)]))
    concat = ConcatDataset(parts)
    for path in (tmp_path / "1" / "shards").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=f"cannot read sample {concat.sample_id(1)}"):
        concat.contents.content(1)
