"""Objectives that compare samples do on two processes what they do on one: DDP over gloo."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from objective_tools import train
from safetensors.torch import load_file

from medfm_cli.processes.launch import launch
from medfm_cli.runs.run import read_jsonl

WORKER = Path(__file__).with_name("shared_batch.py")
TESTS = Path(__file__).parents[2]
SMALL = {"hidden": 32, "out": 16}
PROTOTYPES = {"head": {"hidden": 16, "prototypes": 32}, "crops": {"local_count": 2}}
TEXT = {"dim": 16, "depth": 1, "heads": 2, "length": 32, "vocabulary": 300, "draw": "statement"}
OBJECTIVES: dict[str, dict[str, Any]] = {
    "simclr": {"name": "simclr", "head": SMALL},
    "positives": {"name": "simclr", "head": SMALL, "same_subject": "positive"},
    "mocov3": {"name": "mocov3", "head": SMALL | {"layers": 3}},
    "dino": {"name": "dino", **PROTOTYPES},
    "dinov2": {"name": "dinov2", **PROTOTYPES},
    "dinov2-centering": {"name": "dinov2", "balance": "centering", **PROTOTYPES},
    "clip": {"name": "clip", "dim": 16, "text": TEXT},
    "siglip": {"name": "siglip", "dim": 16, "text": TEXT},
}
SCALARS = ("loss", "matched", "teacher_entropy")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    environment = os.environ | {"PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS / 'inside'}"}
    command = [sys.executable, "-W", "error", str(WORKER), str(folder), json.dumps(OBJECTIVES)]
    assert launch(command, 2, environment) == 0
    return folder


@pytest.mark.parametrize("name", OBJECTIVES)
def test_two_processes_have_the_gradients_and_losses_of_one(
    name: str, two: Path, tmp_path: Path
) -> None:
    expected = train(tmp_path, OBJECTIVES[name], rank=0, world=1)
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for rank in (0, 1):
        found = load_file(two / name / f"gradients-{rank}.safetensors")
        assert found.keys() == expected.keys()
        errors = {key: float((found[key] - expected[key]).abs().max()) for key in found}
        assert max(errors.values()) < 1e-5 * largest, max(errors, key=errors.__getitem__)
    traces = [
        [[record[key] for key in SCALARS if key in record] for record in records]
        for records in (read_jsonl(f / "metrics.jsonl") for f in (tmp_path, two / name))
    ]
    assert len(traces[0]) == 5
    for one, other in zip(*traces, strict=True):
        assert other == pytest.approx(one, rel=1e-3)
