"""Real processes killed at random points end with the weights of one that was left alone.

Each start of the executable imports torch; these tests are slow for that reason only.
"""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest
import torch
from executable import Executable, ended, stopped, until
from safetensors.torch import load_file
from toy_data import balanced, toy_dataset

from medfm_cli.runs.run import read_jsonl

STEPS = 120
SECONDS = 240  # of patience on a busy machine
RECIPE = f"""\
data: data
backbone: {{name: vit_xxs}}
objective: {{name: mae, decoder: {{dim: 16, depth: 1, heads: 2}}}}
augment: {{flip: true, brightness: 0.1}}
batch: 20               # of 36 images: a run stops in the middle of an epoch
accumulate: 2
steps: {STEPS}
ema: 0.99
checkpoints: {{every_steps: 7}}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kill")
    toy_dataset(folder / "data", balanced(subjects=6), size=48)
    (folder / "toy.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def undisturbed(medfm: Executable, home: Path) -> Path:
    return home / medfm("pretrain", "toy.yaml", "--out", "whole", cwd=home, timeout=SECONDS).run_dir


def losses(folder: Path) -> dict[int, float]:
    records = read_jsonl(folder / "metrics.jsonl")  # looks at the encoder have no loss
    return {record["step"]: record["loss"] for record in records if "loss" in record}


def killed(
    medfm: Executable, home: Path, *arguments: str, out: str, after: int, by: signal.Signals
) -> int:
    """Start a run, send it a signal when it has done `after` steps; give its exit code."""

    def reached() -> bool:
        folder = next((home / out).glob("pretrain-toy-*"), None)
        return folder is not None and max(losses(folder), default=0) >= after

    process = medfm.start("pretrain", "toy.yaml", "--out", out, *arguments, cwd=home)
    until(lambda: process.poll() is not None or reached(), timeout=SECONDS)
    assert process.poll() is None, ended(process).stderr
    return stopped(process, by=by).code


@pytest.mark.slow
def test_killed_twice_at_random_and_run_again_it_has_the_same_bits(
    medfm: Executable, home: Path, undisturbed: Path
) -> None:
    chance = random.Random()
    first = chance.randrange(1, STEPS // 2)
    second = chance.randrange(first + 1, STEPS - 10)
    for after in (first, second):
        code = killed(medfm, home, out="torn", after=after, by=signal.SIGKILL)
        assert code == -signal.SIGKILL
    again = home / medfm("pretrain", "toy.yaml", "--out", "torn", cwd=home, timeout=SECONDS).run_dir
    where = f"killed after steps {first} and {second}"
    for name in ("model.safetensors", "config.json"):
        expected = (undisturbed / "model" / name).read_bytes()
        assert (again / "model" / name).read_bytes() == expected, where
    assert losses(again) == losses(undisturbed), where
    resumed = [r["step"] for r in read_jsonl(again / "log.jsonl") if r["event"] == "resumed"]
    assert len(resumed) >= 1 and all(step % 7 == 0 for step in resumed), where


@pytest.mark.slow
def test_stopped_by_a_signal_it_ends_with_143_and_goes_on_from_that_step(
    medfm: Executable, home: Path, undisturbed: Path
) -> None:
    code = killed(medfm, home, out="stopped", after=30, by=signal.SIGTERM)
    assert code == 143
    folder = next((home / "stopped").glob("pretrain-toy-*"))
    done = max(losses(folder))
    assert (folder / "checkpoints" / f"step-{done:08d}").is_dir()
    again = (
        home / medfm("pretrain", "toy.yaml", "--out", "stopped", cwd=home, timeout=SECONDS).run_dir
    )
    weights = "model/model.safetensors"
    assert (again / weights).read_bytes() == (undisturbed / weights).read_bytes()


@pytest.mark.slow
def test_two_processes_killed_and_run_again_have_the_losses_of_one(
    medfm: Executable, home: Path, undisturbed: Path
) -> None:
    two = ("--processes", "2")
    code = killed(medfm, home, *two, out="two", after=20, by=signal.SIGKILL)
    assert code == -signal.SIGKILL
    again = (
        home
        / medfm("pretrain", "toy.yaml", "--out", "two", *two, cwd=home, timeout=SECONDS).run_dir
    )
    expected, found = losses(undisturbed), losses(again)
    assert found.keys() == expected.keys()
    assert max(abs(found[step] - expected[step]) for step in found) < 1e-5
    one, other = (load_file(f / "model" / "model.safetensors") for f in (undisturbed, again))
    assert all(torch.allclose(one[name], other[name], atol=1e-4) for name in one)
