"""Every objective, killed at a random step and started again, ends as one that was left alone.

Mid-epoch, with loading workers, with accumulated gradients, on one process and on two: weights,
optimiser, teacher and heads, and the trace of the loss are the same bits. A new objective is a
line of `OBJECTIVES`.
"""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import Any

import mortal
import pytest
from safetensors.torch import load_file
from toy_data import Toy, balanced, toy_dataset

from medfm_cli.runs.run import read_jsonl

TEXT = {"dim": 16, "depth": 1, "heads": 2, "length": 32, "vocabulary": 300, "draw": "statement"}
PROTOTYPES = {"head": {"hidden": 16, "prototypes": 32}, "crops": {"local_count": 2}}
OBJECTIVES: dict[str, dict[str, Any]] = {
    "mae": {"objective": {"name": "mae", "decoder": {"dim": 16, "depth": 1, "heads": 2}}},
    "simmim": {"objective": {"name": "simmim"}},
    "simclr": {"objective": {"name": "simclr", "head": {"hidden": 32, "out": 16}}},
    "mocov3": {"objective": {"name": "mocov3", "head": {"hidden": 32, "out": 16, "layers": 3}}},
    "dino": {"objective": {"name": "dino", **PROTOTYPES}},
    "dinov2": {"objective": {"name": "dinov2", **PROTOTYPES}},
    "dinov2-centering": {"objective": {"name": "dinov2", "balance": "centering", **PROTOTYPES}},
    "clip": {"objective": {"name": "clip", "dim": 16, "text": TEXT}},
    "siglip": {"objective": {"name": "siglip", "dim": 16, "text": TEXT}},
}
"""Keys of the recipe by the name of the case."""

STEPS, EVERY = 12, 3
COMMON: dict[str, Any] = {
    "backbone": {"name": "vit_xxs", "image_size": 32, "drop_path": 0.1},
    "augment": {"brightness": 0.1},
    "batch": 16,  # of 36: two steps an epoch, and a checkpoint every three
    "steps": STEPS,
    "accumulate": 2,
    "ema": 0.9,
    "checkpoints": {"every_steps": EVERY},
    "workers": 2,
}


def text_of(toy: Toy, number: int) -> str:
    """A text for the objectives that learn from texts."""
    return f"This is a {toy.label}. It is number {number}."


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume")
    toy_dataset(folder, balanced(subjects=6), size=32, text_of=text_of)
    return folder


def losses(folder: Path) -> list[tuple[int, float]]:
    """Step and loss of every line, as they were written: steps done twice stand twice."""
    records = read_jsonl(folder / "metrics.jsonl")
    return [(record["step"], record["loss"]) for record in records if "loss" in record]


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("case", OBJECTIVES)
def test_killed_at_a_random_step_and_run_again_it_has_the_same_bits(
    case: str, processes: int, data: Path, tmp_path: Path
) -> None:
    recipe = {"data": str(data)} | COMMON | OBJECTIVES[case]
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    assert mortal.pretrain(whole, recipe, processes=processes) == [0] * processes, mortal.said(
        whole
    )
    after = random.randrange(EVERY + 1, STEPS)
    killed = mortal.pretrain(torn, recipe, processes=processes, dies_after=after)
    assert killed == [-signal.SIGKILL] * processes, mortal.said(torn)
    assert losses(torn)[-1][0] == after and not (torn / "model").exists()
    assert mortal.pretrain(torn, recipe, processes=processes) == [0] * processes, mortal.said(torn)
    where = f"killed after step {after}"
    resumed = [r["step"] for r in read_jsonl(torn / "log.jsonl") if r["event"] == "resumed"]
    assert resumed == [(after - 1) // EVERY * EVERY], where  # it dies before a checkpoint is due
    assert dict(losses(torn)) == dict(losses(whole)) and len(losses(whole)) == STEPS, where
    assert set(losses(torn)) == set(losses(whole)), where  # what was done twice, gave the same
    names = ["model/model.safetensors", "model/config.json"]
    end = f"checkpoints/step-{STEPS:08d}"
    names += [f"{end}/{path.name}" for path in (whole / end).glob("*.safetensors")]
    assert len(names) == 5  # model, optimiser and moving average
    for name in names:
        assert (torn / name).read_bytes() == (whole / name).read_bytes(), f"{name}, {where}"


def test_the_steps_do_change_the_weights(data: Path, tmp_path: Path) -> None:
    """Else the test above could not fail."""
    recipe = {"data": str(data)} | COMMON | OBJECTIVES["mae"]
    assert mortal.pretrain(tmp_path, recipe | {"steps": 7}) == [0], mortal.said(tmp_path)
    early, late = (
        load_file(tmp_path / "checkpoints" / f"step-{step:08d}" / "model.safetensors")
        for step in (6, 7)
    )
    assert all(not early[name].equal(late[name]) for name in early)
