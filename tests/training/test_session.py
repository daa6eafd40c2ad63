"""Where a process is going to train, told before anything is opened."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from training_tools import new_run

from medfm_cli.training.session import own_device


@pytest.mark.parametrize(
    ("world", "variables", "expected"),
    [
        (1, {"LOCAL_RANK": "3"}, "cuda:0"),  # alone within a launched command
        (8, {"LOCAL_RANK": "1"}, "cuda:1"),
        (8, {"LOCAL_RANK": "5"}, "cuda:1"),  # more processes than GPUs
        (8, {"LOCAL_RANK": "1", "ACCELERATE_USE_CPU": "true"}, "cpu"),
    ],
)
def test_each_process_has_a_gpu_of_its_own(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    world: int,
    variables: dict[str, str],
    expected: str,
) -> None:
    run = new_run(tmp_path)
    run.world = world
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert own_device(run) == torch.device(expected)


def test_without_a_gpu_it_is_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert own_device(new_run(tmp_path)) == torch.device("cpu")
