"""The loader: the right pixels in the right order, whoever decodes them, and honest failures."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from dataset_files import picture, write_dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from medfm_cli.data import Batch, Dataset, Loader, LoaderOptions, workers
from medfm_cli.data.collators import ArrayCollator
from medfm_cli.data.preprocess import Preprocessing, fit
from medfm_cli.errors import DataError, EnvironmentProblem

COUNT = 23
HOW: dict[str, dict[str, Any]] = {
    "main process": {"workers": 0, "cache": False},
    "memory": {"cache": True},
    "fork": {"workers": 2, "cache": False, "start_method": "fork"},
    "spawn": {"workers": 1, "cache": False, "start_method": "spawn"},
}

QUICK = [how for how in HOW if how != "spawn"]  # a spawned worker imports torch: seconds


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("dataset")
    write_dataset(root, COUNT)
    return Dataset.open(root)


def load(dataset: Dataset, rows: np.ndarray | None = None, **values: Any) -> Loader:
    small = Preprocessing(size=8)
    rows = dataset.rows() if rows is None else rows
    collator = ArrayCollator.of(dataset, rows, values.pop("preprocessing", small))
    options = LoaderOptions(**{"global_batch": 5, "seed": 3, "workers": 0, **values})
    return Loader(dataset, rows, collator, options)


def seen(batches: Iterator[Batch]) -> list[list[int]]:
    return [batch.rows.tolist() for batch in batches]


def damage(dataset: Dataset, row: int) -> None:
    """Write over the middle of the row's PNG; the shard keeps its size."""
    place = {name: dataset.column(name)[row] for name in ("shard", "offset", "length")}
    with (dataset.root / "shards" / place["shard"]).open("r+b") as file:
        file.seek(place["offset"] + place["length"] // 2)
        file.write(b"damage")


@pytest.mark.parametrize("how", HOW)
def test_batches_hold_the_images_of_their_rows(dataset: Dataset, how: str) -> None:
    loader = load(dataset, **HOW[how])
    labels = dataset.labels()
    for epoch in range(2):
        batches = list(loader.batches(epoch))
        assert len(batches) == loader.steps_per_epoch == 4
        for batch in batches:
            rows = batch.rows.tolist()
            expected = np.stack([fit(picture(row), size=8, channels=1) for row in rows])
            assert (batch.values.dtype, batch.rows.dtype) == (torch.uint8, torch.int64)
            np.testing.assert_array_equal(batch.values.numpy(), expected)
            assert batch.labels.tolist() == labels[rows].tolist()
    loader.close()


@pytest.mark.parametrize("how", QUICK)
def test_whoever_decodes_the_order_is_the_same(dataset: Dataset, how: str) -> None:
    loader = load(dataset, **HOW[how])
    steps = loader.steps_per_epoch
    assert seen(loader.batches(1)) == seen(load(dataset).batches(1))
    assert seen(loader.batches(1, 2)) == seen(load(dataset).batches(1))[2:]
    assert seen(loader.steps(2, 2 * steps)) == seen(load(dataset).steps(2, 2 * steps))
    loader.close()


@settings(max_examples=30)
@given(data=st.data(), world=st.integers(1, 4), cache=st.booleans())
def test_any_world_resumed_anywhere_gets_the_same_samples(
    dataset: Dataset, data: st.DataObject, world: int, cache: bool
) -> None:
    batch = data.draw(st.integers(1, COUNT))
    values = {"global_batch": batch, "seed": data.draw(st.integers(0, 99)), "cache": cache}
    whole = list(load(dataset, **values).steps(0, 6))
    start = data.draw(st.integers(0, 6))
    ranks = [
        list(load(dataset, rank=rank, world=world, **values).steps(start, 6))
        for rank in range(world)
    ]
    for one, parts in zip(whole[start:], zip(*ranks, strict=True), strict=True):
        joined = Batch.join(parts)
        assert set(one.names) == {"values", "labels", "rows"}
        for name in one.names:
            assert torch.equal(joined[name], one[name]), name


def test_only_the_rows_asked_for(dataset: Dataset) -> None:
    rows = dataset.rows("test")
    loader = load(dataset, rows, global_batch=2, drop_last=False, shuffle=False)
    assert seen(loader.batches(0)) == [[4, 5], [10, 11], [16, 17], [22]]


def test_channels_and_size_are_fitted(dataset: Dataset) -> None:
    batch = next(load(dataset, preprocessing=Preprocessing(size=16, channels=3)).batches(0))
    assert batch.values.shape == (5, 3, 16, 16)


def test_a_batch_larger_than_the_data_is_shrunk(dataset: Dataset) -> None:
    loader = load(dataset, global_batch=64)
    assert (loader.global_batch, loader.steps_per_epoch) == (16, 1)
    assert len(next(loader.batches(0)).rows) == 16


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_samples(dataset: Dataset, count: int) -> None:
    with pytest.raises(DataError, match=f"{count} samples to load for 2 processes"):
        load(dataset, dataset.rows()[:count], rank=1, world=2)


@pytest.mark.parametrize("how", QUICK)
def test_what_lies_before_the_resumed_step_is_not_read(tmp_path: Path, how: str) -> None:
    write_dataset(tmp_path, COUNT)
    dataset = Dataset.open(tmp_path)
    for row in seen(load(dataset).batches(0))[0]:
        damage(dataset, row)
    loader = load(dataset, **HOW[how])
    assert len(seen(loader.batches(0, 1))) == 3
    loader.close()


@pytest.mark.parametrize("how", HOW)
def test_an_image_that_cannot_be_read_is_named(tmp_path: Path, how: str) -> None:
    write_dataset(tmp_path, COUNT)
    dataset = Dataset.open(tmp_path)
    row = seen(load(dataset).batches(0))[1][2]
    damage(dataset, row)
    loader = load(dataset, **HOW[how])
    batches = loader.batches(0)
    next(batches)
    with pytest.raises(DataError) as caught:
        next(batches)
    assert caught.value.message.startswith(f"cannot read sample {dataset.sample_id(row)}: its PNG")
    assert "Traceback" not in str(caught.value)
    assert caught.value.hint
    loader.close()


@pytest.mark.parametrize("how", QUICK)
def test_a_shard_that_went_away_names_the_sample(tmp_path: Path, how: str) -> None:
    write_dataset(tmp_path, COUNT)
    dataset = Dataset.open(tmp_path)
    for path in (tmp_path / "shards").iterdir():
        path.unlink()
    loader = load(dataset, **HOW[how])
    with pytest.raises(DataError, match=r"cannot read sample \w+: the shard .* is missing"):
        next(loader.batches(0))
    loader.close()


@pytest.mark.parametrize("how", QUICK)
def test_loading_draws_no_random_numbers(dataset: Dataset, how: str) -> None:
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    loader = load(dataset, **HOW[how])
    list(loader.batches(0))
    list(loader.batches(1))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert np.random.get_state()[1].tolist() == states[2]
    loader.close()


def test_an_epoch_left_early_does_not_spill_into_the_next(dataset: Dataset) -> None:
    loader = load(dataset, **HOW["fork"])
    expected = seen(load(dataset).batches(1))
    for _ in range(3):
        next(loader.batches(0))
        assert seen(loader.batches(1)) == expected
    loader.close()


def test_waiting_is_counted(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = load(dataset, cache=False)
    one = ArrayCollator.one

    def slow(collator: ArrayCollator, row: int) -> np.ndarray:
        time.sleep(0.004)
        return one(collator, row)

    monkeypatch.setattr(ArrayCollator, "one", slow)
    for _ in loader.batches(0):
        time.sleep(0.05)  # the consumer's own time does not count
    assert 0.08 <= loader.wait_seconds < 0.2


def test_memory_is_read_once(tmp_path: Path) -> None:
    write_dataset(tmp_path, COUNT)
    dataset = Dataset.open(tmp_path)
    loader = load(dataset, cache=True, drop_last=False)
    first = list(loader.batches(0))
    for row in range(COUNT):
        damage(dataset, row)
    assert len(first) == len(list(loader.batches(1))) == 5


def test_a_killed_worker_is_explained(dataset: Dataset) -> None:
    before = set(psutil.Process().children())
    for taken in range(4):
        loader = load(dataset, **HOW["fork"])
        batches = loader.steps(0, 10_000)
        with pytest.raises(EnvironmentProblem, match="worker was killed"):
            for step, _ in enumerate(batches):
                if step == taken:
                    for child in set(psutil.Process().children()) - before:
                        child.kill()
        loader.close()


@pytest.mark.parametrize("error", [ConnectionResetError(), EOFError(), RuntimeError("mmap: no")])
def test_a_worker_that_dies_while_it_sends_is_explained(error: Exception) -> None:
    with pytest.raises(EnvironmentProblem), workers._worker_deaths_explained():
        raise error


def test_a_bug_is_not_taken_for_a_dead_worker() -> None:
    with pytest.raises(RuntimeError, match="shape"), workers._worker_deaths_explained():
        raise RuntimeError("wrong shape")


def test_closing_ends_the_workers(dataset: Dataset) -> None:
    loader = load(dataset, **HOW["fork"])
    before = set(psutil.Process().children())
    list(loader.batches(0))
    started = set(psutil.Process().children()) - before
    assert len(started) == 2
    loader.close()
    assert not started & set(psutil.Process().children())
    with pytest.raises(ValueError, match="closed"):
        next(loader.batches(0))


SCRIPT = """
    import os, signal, sys, time
    from pathlib import Path
    from medfm_cli.data import Dataset, Loader, LoaderOptions
    from medfm_cli.data.collators import ArrayCollator
    from medfm_cli.data.preprocess import Preprocessing

    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
    signal.signal(signal.SIGINT, lambda *_: asked.append(1))
    dataset = Dataset.open(sys.argv[1])
    rows = dataset.rows()
    collator = ArrayCollator.of(dataset, rows, Preprocessing(size=8))
    options = LoaderOptions(global_batch=5, seed=3, workers=2, cache=False, start_method="fork")
    loader = Loader(dataset, rows, collator, options)
    batches = loader.steps(0, 10**9)
    next(batches)
    print("ready", flush=True)
"""


def start(dataset: Dataset, then: str) -> subprocess.Popen[str]:
    """A training process in a group of its own, waiting or ending as `then` says."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT) + then, str(dataset.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_workers_outlive_signals_to_the_whole_group(dataset: Dataset) -> None:
    """As `timeout`, a terminal's Ctrl-C and a batch system send it; the last step needs data."""
    then = """while len(asked) < 2: time.sleep(0.01)
time.sleep(0.2)
[next(batches) for _ in range(20)]
print("stepped")
"""
    process = start(dataset, then)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    for number in (signal.SIGTERM, signal.SIGINT):
        os.killpg(process.pid, number)
    out, err = process.communicate(timeout=120)
    assert (out, err, process.returncode) == ("stepped\n", "", 0)


@pytest.mark.parametrize("then", ["sys.exit(3)", "1 / 0"])
def test_a_program_that_forgets_its_loader_ends_at_once(dataset: Dataset, then: str) -> None:
    process = start(dataset, then)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"  # importing torch takes its time
    began = time.monotonic()
    process.communicate(timeout=120)
    assert time.monotonic() - began < workers.GRACE - 5


def test_workers_do_not_outlive_a_killed_parent(dataset: Dataset) -> None:
    process = start(dataset, "time.sleep(60)")
    assert process.stdout is not None
    process.stdout.readline()
    workers = psutil.Process(process.pid).children()
    assert len(workers) == 2
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive
