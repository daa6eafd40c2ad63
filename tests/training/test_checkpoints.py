"""Checkpoints are there whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from medfm_cli.errors import EnvironmentProblem
from medfm_cli.training import checkpoints
from medfm_cli.training.checkpoints import (
    clear_leftovers,
    latest_checkpoint,
    save_checkpoint,
    write_groups,
)


def _save(root: Path, step: int, *, keep: int = 3) -> Path:
    weights = {"w": torch.full((4, 3), float(step)), "half": torch.ones(2, dtype=torch.bfloat16)}
    state = {"seconds": 0.1 * step, "best": None}
    write = partial(write_groups, groups={"model": weights})
    return save_checkpoint(root, step=step, write=write, state=state, keep=keep)


def test_comes_back_as_it_was(tmp_path: Path) -> None:
    _save(tmp_path, 7)
    found = latest_checkpoint(tmp_path)
    assert found is not None
    assert (found.step, found.state["seconds"], found.state["best"]) == (7, 0.1 * 7, None)
    tensors = found.tensors("model")
    assert torch.equal(tensors["w"], torch.full((4, 3), 7.0))
    assert tensors["half"].dtype == torch.bfloat16
    assert found.tensors("ema") == {}


def test_is_made_of_safetensors_and_json_only(tmp_path: Path) -> None:
    path = _save(tmp_path, 1)
    assert {file.name for file in path.iterdir()} == {
        "model.safetensors",
        "state.json",
        "complete.json",
    }
    json.loads((path / "state.json").read_text())


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 15, 20):
        _save(tmp_path, step, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000015", "step-00000020"]


def test_an_empty_or_missing_folder_has_none(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path) is None
    assert latest_checkpoint(tmp_path / "nowhere") is None
    assert clear_leftovers(tmp_path / "nowhere") == []


def _flip_a_bit(path: Path) -> None:
    data = bytearray((path / "model.safetensors").read_bytes())
    data[-3] ^= 1
    (path / "model.safetensors").write_bytes(data)


def _cut_short(path: Path) -> None:
    os.truncate(path / "model.safetensors", 20)


def _lose_the_marker(path: Path) -> None:
    (path / "complete.json").unlink()


def _lose_the_weights(path: Path) -> None:
    (path / "model.safetensors").unlink()


def _tear_the_marker(path: Path) -> None:
    os.truncate(path / "complete.json", 30)


def _empty_the_marker(path: Path) -> None:
    (path / "complete.json").write_text("{}")


def _lose_everything(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


@pytest.mark.parametrize(
    "tear",
    [
        _flip_a_bit,
        _cut_short,
        _lose_the_marker,
        _lose_the_weights,
        _tear_the_marker,
        _empty_the_marker,
        _lose_everything,
    ],
)
def test_a_torn_one_is_passed_over_and_removed(
    tmp_path: Path, tear: Callable[[Path], None]
) -> None:
    _save(tmp_path, 1)
    tear(_save(tmp_path, 2))
    found = latest_checkpoint(tmp_path)
    assert found is not None and found.step == 1
    assert clear_leftovers(tmp_path) == ["step-00000002"]
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_what_an_interrupted_write_left_is_no_checkpoint(tmp_path: Path) -> None:
    _save(tmp_path, 1)
    (tmp_path / ".step-00000002.new").mkdir()
    (tmp_path / ".step-00000002.new" / "model.safetensors").write_bytes(b"half")
    found = latest_checkpoint(tmp_path)
    assert found is not None and found.step == 1
    clear_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_a_torn_one_of_the_same_step_is_replaced(tmp_path: Path) -> None:
    _cut_short(_save(tmp_path, 2))
    _save(tmp_path, 2)
    found = latest_checkpoint(tmp_path)
    assert found is not None and found.step == 2


def test_tied_tensors_are_stored(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    tensors = {"model": {"a": shared, "b": shared, "c": shared[2:4], "empty": shared[:0]}}
    write = partial(write_groups, groups=tensors)
    save_checkpoint(tmp_path, step=1, write=write, state={}, keep=1)
    found = latest_checkpoint(tmp_path)
    assert found is not None
    back = found.tensors("model")
    assert torch.equal(back["a"], back["b"])
    assert back["c"].tolist() == [2.0, 3.0]


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        SafetensorError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_one_sentence_and_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    _save(tmp_path, 1)

    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(EnvironmentProblem, match="No space left on device") as raised:
        _save(tmp_path, 2)
    assert raised.value.hint is not None and "continues" in raised.value.hint
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    found = latest_checkpoint(tmp_path)
    assert found is not None and found.step == 1
