"""FSDP on two gloo processes: the losses of DDP, exact resume, any number of processes after.

Each start of the executable imports torch in every process; these tests are slow for that
reason only.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch
from executable import Executable, stopped, until
from safetensors.torch import load_file
from toy_data import balanced, toy_dataset

from medfm_cli.runs.run import read_jsonl

pytestmark = pytest.mark.slow
SECONDS = 300.0  # of patience on a busy machine
STEPS = 40
RECIPE = f"""\
data: data
backbone: {{name: vit_xxs}}
objective: {{name: mae, decoder: {{dim: 16, depth: 1, heads: 2}}}}
batch: 20               # of 36 images: a run stops in the middle of an epoch
accumulate: 2
steps: {STEPS}
ema: 0.99
optimiser: {{clip: 0.5}}
checkpoints: {{every_steps: 7}}
"""
PRETRAIN = ("pretrain", "toy.yaml", "sharding=fsdp", "--out")
WEIGHTS = "model/model.safetensors"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sharding")
    toy_dataset(folder / "data", balanced(subjects=6), size=48)
    (folder / "toy.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def whole(medfm: Executable, home: Path) -> Path:
    """The sharded run of two processes, left alone."""
    arguments = (*PRETRAIN, "whole", "--processes", "2")
    return home / medfm(*arguments, cwd=home, timeout=SECONDS).run_dir


def losses(folder: Path) -> dict[int, float]:
    return {r["step"]: r["loss"] for r in read_jsonl(folder / "metrics.jsonl") if "loss" in r}


def close(found: Path, expected: Path) -> None:
    first, second = losses(found), losses(expected)
    assert first.keys() == second.keys() == set(range(1, STEPS + 1))
    assert max(abs(first[step] - second[step]) for step in first) < 1e-5
    one, other = (load_file(folder / WEIGHTS) for folder in (found, expected))
    assert one.keys() == other.keys()
    assert all(torch.allclose(one[name], other[name], atol=1e-4) for name in one)


def kill(medfm: Executable, home: Path, out: str, processes: int) -> None:
    """Start a run and kill it between two checkpoints."""

    def reached() -> bool:
        folder = next((home / out).glob("pretrain-toy-*"), None)
        return folder is not None and max(losses(folder), default=0) >= 10

    process = medfm.start(*PRETRAIN, out, "--processes", str(processes), cwd=home)
    until(lambda: process.poll() is not None or reached(), timeout=SECONDS)
    assert stopped(process, by=signal.SIGKILL).code == -signal.SIGKILL


def test_shards_have_the_losses_of_whole_weights(
    medfm: Executable, home: Path, whole: Path
) -> None:
    arguments = ("pretrain", "toy.yaml", "--out", "ddp", "--processes", "2")
    close(whole, home / medfm(*arguments, cwd=home, timeout=SECONDS).run_dir)


def test_each_process_writes_its_half_and_nothing_is_a_pickle(whole: Path) -> None:
    folder = whole / "checkpoints" / f"step-{STEPS:08d}"
    shards = sorted(folder.glob("*.safetensors"))
    assert {path.suffix for path in folder.iterdir()} == {".safetensors", ".json"}
    assert json.loads((folder / "state.json").read_text())["sharding"] == "fsdp"
    sizes = [path.stat().st_size for path in shards]
    assert len(sizes) == 2
    assert abs(sizes[0] - sizes[1]) < 0.1 * sum(sizes)


def test_killed_and_run_again_it_has_the_same_bits(
    medfm: Executable, home: Path, whole: Path
) -> None:
    kill(medfm, home, "killed", 2)
    arguments = (*PRETRAIN, "killed", "--processes", "2")
    again = home / medfm(*arguments, cwd=home, timeout=SECONDS).run_dir
    assert any(record["event"] == "resumed" for record in read_jsonl(again / "log.jsonl"))
    assert losses(again) == losses(whole)
    assert (again / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_another_number_of_processes_goes_on_with_the_same_losses(
    medfm: Executable, home: Path, whole: Path, before: int, after: int
) -> None:
    out = f"from-{before}-to-{after}"
    kill(medfm, home, out, before)
    arguments = (*PRETRAIN, out, "--processes", str(after))
    again = home / medfm(*arguments, cwd=home, timeout=SECONDS).run_dir
    assert any(record["event"] == "resumed" for record in read_jsonl(again / "log.jsonl"))
    close(again, whole)


def test_texts_and_a_learnt_scale_can_be_sharded_too(medfm: Executable, home: Path) -> None:
    """Parameters without an axis cannot be cut: the scale of CLIP has one."""
    tower = "{dim: 16, depth: 1, heads: 2, length: 16, vocabulary: 300, template: 'a {label}'}"
    (home / "pairs.yaml").write_text(
        "data: data\nbackbone: {name: vit_xxs}\n"
        f"objective: {{name: clip, dim: 16, text: {tower}}}\nbatch: 20\nsteps: 2\n"
    )
    found = []
    for sharding in ("fsdp", "none"):
        keys = ("pairs.yaml", f"sharding={sharding}", "--out", sharding, "--processes", "2")
        done = medfm("pretrain", *keys, cwd=home, timeout=SECONDS)
        assert done.code == 0, done.stderr
        found.append(losses(home / done.run_dir))
    assert found[0] == pytest.approx(found[1], abs=1e-5)
