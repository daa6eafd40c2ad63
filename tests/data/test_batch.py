"""Batches: rows of every tensor stay together, wherever they are cut, joined and sent."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.data import Batch, Ragged

LENGTHS = st.lists(st.integers(0, 5), min_size=1, max_size=6)


def batch_of(lengths: list[int]) -> Batch:
    """A batch in which every number tells its row."""
    count = len(lengths)
    return Batch(
        values=torch.arange(count)[:, None].expand(count, 3),
        labels=torch.arange(count),
        boxes=Ragged.of([torch.full((n, 4), float(row)) for row, n in enumerate(lengths)]),
        rows=torch.arange(count) + 100,
    )


@given(LENGTHS, st.integers(0, 7), st.integers(0, 7))
def test_a_part_has_the_rows_of_every_tensor(lengths: list[int], start: int, stop: int) -> None:
    part = batch_of(lengths).part(start, stop)
    chosen = list(range(len(lengths)))[start:stop]
    assert len(part) == len(chosen)
    assert part.rows.tolist() == [row + 100 for row in chosen]
    assert part.labels.tolist() == chosen
    assert part.values.tolist() == [[row] * 3 for row in chosen]
    assert [box.tolist() for box in part.boxes] == [
        [[float(row)] * 4] * lengths[row] for row in chosen
    ]
    assert part.boxes.lengths.tolist() == [lengths[row] for row in chosen]


@given(LENGTHS, st.integers(0, 6))
def test_parts_join_to_the_whole(lengths: list[int], at: int) -> None:
    whole = batch_of(lengths)
    joined = Batch.join([whole.part(0, at), whole.part(at, len(whole))])
    assert joined.names == whole.names
    assert torch.equal(joined.boxes.values, whole.boxes.values)
    assert torch.equal(joined.boxes.offsets, whole.boxes.offsets)
    assert torch.equal(joined.rows, whole.rows)


def test_names_are_items_and_attributes() -> None:
    batch = batch_of([1, 2])
    assert batch["boxes"] is batch.boxes
    assert batch["rows"] is batch.rows
    assert "boxes" in batch
    assert "mask" not in batch
    with pytest.raises(AttributeError, match="mask"):
        _ = batch.mask
    with pytest.raises(KeyError, match="mask"):
        _ = batch["mask"]
    more = batch.replace(mask=torch.zeros(2, 8, 8))
    assert more.mask.shape == (2, 8, 8)
    assert "mask" not in batch


def test_every_tensor_has_a_row_for_each_sample() -> None:
    with pytest.raises(ValueError, match="labels has 3 rows in a batch of 2"):
        Batch(values=torch.zeros(2, 1), labels=torch.zeros(3), rows=torch.arange(2))


def test_a_batch_moves_with_all_it_holds() -> None:
    batch = batch_of([1, 2]).to("meta", non_blocking=True)
    assert batch.rows.device.type == batch.boxes.values.device.type == "meta"
    assert batch.boxes.offsets.device.type == "cpu"  # cutting it needs no wait for a device
    assert batch.part(1, 2).boxes.values.shape == (2, 4)


def test_a_batch_can_be_copied() -> None:
    batch = copy.deepcopy(batch_of([0, 2]))  # as pickle takes it apart and makes it anew
    assert [len(box) for box in batch.boxes] == [0, 2]


def test_ragged_rows() -> None:
    ragged = Ragged.of([torch.tensor([1, 2]), torch.tensor([], dtype=torch.int64)])
    assert ragged[-2].tolist() == [1, 2]
    assert ragged.padded(9).tolist() == [[1, 2], [9, 9]]
    assert ragged.row_of_value.tolist() == [0, 0]
    with pytest.raises(IndexError):
        _ = ragged[2]
    with pytest.raises(ValueError, match="offsets run from 0"):
        Ragged(torch.zeros(3), torch.tensor([0, 2]))
