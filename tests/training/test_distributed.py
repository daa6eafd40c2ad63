"""Two processes do what one does: real processes, DDP over gloo."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_tools import (
    Comparer,
    Counted,
    MemoryLoader,
    Painter,
    fit_once,
    images,
    new_run,
    options,
)

from medfm_cli.processes.launch import launch
from medfm_cli.runs.run import read_jsonl

HERE = Path(__file__).parent


def _launch(folder: Path, kind: str) -> int:
    folder.mkdir(exist_ok=True)
    environment = os.environ | {"PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE.parent / 'inside'}"}
    command = [sys.executable, "-W", "error", str(HERE / "distributed.py"), str(folder), kind]
    return launch(command, 2, environment)


def test_two_processes_have_the_losses_of_one_and_either_continues_the_other(
    tmp_path: Path,
) -> None:
    alone, run = Painter(), new_run(tmp_path / "one")
    fit_once(alone, MemoryLoader(images(), batch=8), options(clip=0.5), run)
    assert _launch(tmp_path / "two", "plain") == 0
    expected, found = (
        [record["loss"] for record in read_jsonl(tmp_path / name / "metrics.jsonl")]
        for name in ("one", "two")
    )
    assert len(found) == 12
    assert found == pytest.approx(expected, abs=1e-5)
    weights = load_file(tmp_path / "two" / "weights.safetensors")
    assert all(torch.allclose(v, weights[k], atol=1e-5) for k, v in alone.state_dict().items())
    # A checkpoint of two processes is one of one process too.
    again = Painter()
    report = fit_once(again, MemoryLoader(images(), batch=8), options(), new_run(tmp_path / "two"))
    assert report.resumed_from == 12
    assert all(torch.equal(v, weights[k]) for k, v in again.state_dict().items())


def test_a_loss_over_the_whole_batch_has_the_gradients_of_one_process(tmp_path: Path) -> None:
    """BatchNorm and comparisons see gathered rows: as if there were one process."""
    alone, run = Comparer(), new_run(tmp_path / "one")
    fit_once(alone, MemoryLoader(images(), batch=8), options(clip=0.5), run)
    assert _launch(tmp_path / "two", "comparing") == 0
    for rank in (0, 1):
        found = load_file(tmp_path / "two" / f"gradients-{rank}.safetensors")
        assert found.keys() == alone.gradients.keys()
        for name, expected in alone.gradients.items():
            scale = expected.abs().max()
            assert (found[name] - expected).abs().max() < 1e-5 * scale + 1e-9, name
    one, two = (read_jsonl(tmp_path / name / "metrics.jsonl") for name in ("one", "two"))
    for key in ("loss", "gradient_norm"):
        traces = [[record[key] for record in records] for records in (two, one)]
        assert traces[0] == pytest.approx(traces[1], rel=1e-4)


def test_weights_count_over_processes_in_both_trainings_of_a_session(tmp_path: Path) -> None:
    """Whole weights on each process, then shards: the gradients, weights and losses of one."""
    alone, run = Counted(), new_run(tmp_path / "one")
    fit_once(alone, MemoryLoader(images(), batch=8), options(clip=0.5), run)
    assert _launch(tmp_path / "two", "weighted") == 0
    for rank in (0, 1):
        found = load_file(tmp_path / "two" / f"gradients-{rank}.safetensors")
        for name, expected in alone.gradients.items():
            assert (found[name] - expected).abs().max() < 1e-5 * expected.abs().max(), name
    expected_losses = [line["loss"] for line in read_jsonl(tmp_path / "one" / "metrics.jsonl")]
    lines = read_jsonl(tmp_path / "two" / "metrics.jsonl")
    for sharding in ("none", "fsdp"):
        losses = [line["loss"] for line in lines if line["sharding"] == sharding]
        assert losses == pytest.approx(expected_losses, abs=1e-5)
        weights = load_file(tmp_path / "two" / f"{sharding}.safetensors")
        assert all(torch.allclose(v, weights[k], atol=1e-5) for k, v in alone.state_dict().items())
        assert (tmp_path / "two" / sharding / "checkpoints" / "step-00000012").is_dir()


def test_nan_on_one_process_ends_both_at_the_same_step_and_names_its_samples(
    tmp_path: Path,
) -> None:
    assert _launch(tmp_path, "poisoned") == 1
    messages = [json.loads((tmp_path / f"error-{rank}.json").read_text()) for rank in (0, 1)]
    batch = list(MemoryLoader(images(), batch=8, rank=1, world=2).steps(0, 3))[2]
    shown = ", ".join(str(row) for row in batch.rows.tolist())
    assert messages[0] == messages[1]
    assert messages[0] == f"the loss is not a finite number at step 3; samples: {shown}"


def test_a_signal_to_one_process_stops_both_after_the_same_step(tmp_path: Path) -> None:
    assert _launch(tmp_path, "signalled") == 143
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step-00000003"]
    assert len(read_jsonl(tmp_path / "metrics.jsonl")) == 3
