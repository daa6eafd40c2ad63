"""Loading samples of every kind: the values of `fit`, whoever decodes them, one shape a batch."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from content_dataset import content_dataset
from torch import Tensor, nn

from medfm_cli.data import Batch, Dataset, Loader, LoaderOptions
from medfm_cli.data.collators import ArrayCollator
from medfm_cli.data.inputs import AudioInput, Preprocessing, SeriesInput, SignalInput, VolumeInput
from medfm_cli.data.mixture import Strata
from medfm_cli.errors import DataError
from medfm_cli.samples.content import Audio, Content, Image2D, Series, Signal, Volume
from medfm_cli.training.features import forward, in_order

HOW: dict[str, dict[str, Any]] = {
    "main process": {"workers": 0, "cache": False},
    "memory": {"cache": True},
    "fork": {"workers": 2, "cache": False, "start_method": "fork"},
}


def noise(number: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(number).normal(0, 1, shape).astype(np.float32)


def scan(number: int, *shape: int) -> Volume:
    """A scan in HU with something of every density in it."""
    return Volume((400 * noise(number, *shape)).astype(np.int16), (2.0, 1.0, 1.0), "HU")


def stay(number: int) -> Series:
    times = np.sort(np.random.default_rng(number).uniform(0, 8, 20))
    return Series(80 + 10 * noise(number, 2, 20), times, ("HR", "Temp"))


KINDS: dict[str, tuple[Any, list[Content]]] = {
    "image": (
        Preprocessing(size=16),
        [Image2D((noise(n, 20, 18) * 40 + 120).clip(0, 255).astype(np.uint8)) for n in range(11)],
    ),
    "volume": (
        VolumeInput(size=16, depths=[4, 8, 12], window=[-500.0, 500.0]),
        [scan(n, 5 + 3 * (n % 3), 20, 18) for n in range(9)]
        + [Image2D((noise(n, 20, 18) * 40 + 120).clip(0, 255).astype(np.uint8)) for n in range(4)],
    ),
    "signal": (
        SignalInput(leads=["I", "V1"], rate=50, seconds=2),
        [Signal(noise(n, 3, 300 + n), 100.0, ("V1", "X", "I")) for n in range(11)],
    ),
    "series": (
        SeriesInput(variables=["HR", "Temp"], hours=8, mean=[80, 80], std=[10, 10]),
        [stay(n) for n in range(11)],
    ),
    "audio": (
        AudioInput(rate=1000, seconds=1, mels=16, n_fft=128, hop=10),
        [Audio(0.1 * noise(n, 1, 2000), 1000.0) for n in range(11)],
    ),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    wanted, contents = KINDS[request.param]
    root = tmp_path_factory.mktemp(request.param)
    order = np.random.default_rng(0).permutation(len(contents))  # kinds and depths in any order
    return wanted, content_dataset(root, [contents[index] for index in order])


def load(dataset: Dataset, wanted: Any, **values: Any) -> Loader:
    rows = dataset.rows(kind=None)
    options = LoaderOptions(**{"global_batch": 3, "seed": 5, "workers": 0, **values})
    return Loader(dataset, rows, ArrayCollator.of(dataset, rows, wanted), options)


def alike(left: list[Batch], right: list[Batch]) -> bool:
    return all(
        one.names == two.names and all(torch.equal(one[name], two[name]) for name in one.names)
        for one, two in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("how", HOW)
def test_batches_hold_what_fitting_their_rows_gives(kind: Any, how: str) -> None:
    wanted, dataset = kind
    loader = load(dataset, wanted, **HOW[how])
    for epoch in range(2):
        for batch in loader.batches(epoch):
            expected = np.stack([wanted.fit(dataset.content(row)) for row in batch.rows.tolist()])
            assert batch.values.numpy().dtype == np.dtype(wanted.dtype)
            np.testing.assert_array_equal(batch.values.numpy(), expected)
    loader.close()


@pytest.mark.parametrize("how", HOW)
def test_whoever_decodes_the_batches_are_the_same(kind: Any, how: str) -> None:
    wanted, dataset = kind
    loader, plain = load(dataset, wanted, **HOW[how]), load(dataset, wanted, cache=False)
    steps = plain.steps_per_epoch
    assert alike(list(loader.steps(1, 2 * steps)), list(plain.steps(0, 2 * steps))[1:])
    loader.close()


def test_ranks_share_out_the_batches(kind: Any) -> None:
    wanted, dataset = kind
    whole = list(load(dataset, wanted).batches(0))
    ranks = [list(load(dataset, wanted, rank=rank, world=2).batches(0)) for rank in (0, 1)]
    joined = [Batch.join(parts) for parts in zip(*ranks, strict=True)]
    assert alike(joined, whole)


class Flat(nn.Module):
    """The mean of a sample, whatever its shape."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, values: Tensor) -> Tensor:
        return self.scale * values.flatten(1).mean(dim=1, keepdim=True)


def test_outputs_come_in_the_order_of_the_rows(kind: Any) -> None:
    wanted, dataset = kind
    rows = dataset.rows(kind=None)[::-1].copy()
    loader = in_order(dataset, rows, preprocessing=wanted)
    outputs = forward(Flat(), loader, wanted)
    alone = [
        forward(Flat(), in_order(dataset, np.asarray([row]), preprocessing=wanted), wanted)
        for row in rows
    ]
    np.testing.assert_allclose(outputs, np.concatenate(alone), atol=1e-6)


@pytest.mark.parametrize("how", HOW)
def test_a_sample_that_does_not_fit_is_named(tmp_path: Path, how: str) -> None:
    signals = [Signal(noise(n, 1, 200), 100.0, ("I" if n != 4 else "PLETH",)) for n in range(6)]
    dataset = content_dataset(tmp_path, signals)
    wanted = SignalInput(leads=["I"], rate=100, seconds=2)
    loader = load(dataset, wanted, global_batch=6, **HOW[how])
    with pytest.raises(DataError) as caught:
        next(loader.batches(0))
    name = dataset.sample_id(4)
    assert caught.value.message.startswith(f"cannot use sample {name}: it has none of the leads I")
    loader.close()


def test_a_payload_that_is_damaged_is_named(tmp_path: Path) -> None:
    dataset = content_dataset(tmp_path, [Audio(noise(n, 1, 200), 100.0) for n in range(2)])
    with (tmp_path / "shards" / dataset.column("shard")[0]).open("r+b") as file:
        file.seek(dataset.column("offset")[0])
        file.write(b"damage")
    wanted = AudioInput(rate=1000, seconds=1, mels=16, n_fft=128, hop=10)
    with pytest.raises(DataError, match=f"cannot read sample {dataset.sample_id(0)}: its npy is"):
        next(load(dataset, wanted, shuffle=False, global_batch=1).batches(0))


def test_depths_and_pictures_never_share_a_batch_and_all_are_seen(tmp_path: Path) -> None:
    wanted, contents = KINDS["volume"]
    dataset = content_dataset(tmp_path, contents)
    loader = load(dataset, wanted, global_batch=2)
    seen: dict[int, set[int]] = {}
    for batch in itertools.chain(*(loader.batches(epoch) for epoch in range(8))):
        assert batch.values.shape[0] == 2
        seen.setdefault(batch.values.shape[2], set()).update(batch.rows.tolist())
    assert {depth: len(rows) for depth, rows in seen.items()} == {4: 3 + 4, 8: 3, 12: 3}


def test_strata_are_mixed_by_temperature(tmp_path: Path) -> None:
    signals = [Signal(noise(n, 1, 200), 100.0, ("I",)) for n in range(20)]
    dataset = content_dataset(tmp_path, signals)
    codes = np.repeat([0, 1], [16, 4])
    wanted = SignalInput(leads=["I"], rate=100, seconds=2)

    def rare(temperature: float) -> float:
        strata = Strata(codes, ("common", "rare"), temperature)
        loader = load(dataset, wanted, global_batch=4, strata=strata, cache=True)
        rows = torch.cat([batch.rows for batch in loader.batches(0)])
        return float((rows >= 16).float().mean())

    assert [rare(1.0), rare(0.0)] == pytest.approx([0.2, 0.5])
    assert 0.3 <= rare(0.5) <= 0.35, "2 / (2 + 4) of 20"
    natural = load(dataset, wanted, strata=Strata(codes, ("common", "rare")))
    assert alike(list(natural.batches(1)), list(load(dataset, wanted).batches(1)))
