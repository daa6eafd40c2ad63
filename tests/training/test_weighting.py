"""Samples count by their weight, however a batch is divided."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from training_tools import Counted, MemoryLoader, fit_once, images, new_run, options

from medfm_cli.data.batch import Batch
from medfm_cli.runs.run import read_jsonl
from medfm_cli.training.randomness import StepRandom


def first_batch(task: Counted) -> tuple[Batch, dict[str, Tensor]]:
    """The first batch, and what the task gives for it."""
    batch = next(MemoryLoader(images(), batch=8).steps(0, 1))
    random = StepRandom(seed=7, step=0, batch=8, device=torch.device("cpu"))
    return batch, task(**task.inputs(batch, random))


def train(folder: Path, task: Counted, accumulate: int) -> list[dict[str, float]]:
    run = new_run(folder)
    fit_once(task, MemoryLoader(images(), batch=8), options(accumulate=accumulate, clip=0.5), run)
    return read_jsonl(folder / "metrics.jsonl")


@pytest.mark.parametrize("accumulate", [1, 2, 4, 8])
def test_the_gradient_is_that_of_the_weighted_mean(tmp_path: Path, accumulate: int) -> None:
    plain = Counted()
    _, outputs = first_batch(plain)
    weights = outputs["weights"]
    assert sorted(set(weights.tolist())) != [weights[0].item()], "the weights differ"
    ((outputs["loss"] * weights).sum() / weights.sum()).backward()
    task = Counted()
    train(tmp_path, task, accumulate)
    assert task.gradients
    for name, parameter in plain.named_parameters():
        expected = parameter.grad
        assert expected is not None
        tolerance = 1e-5 * expected.abs().max()
        assert torch.allclose(task.gradients[name], expected, rtol=0, atol=float(tolerance)), name


def test_scalars_are_averaged_by_weight_whatever_the_parts(tmp_path: Path) -> None:
    traces = [train(tmp_path / str(parts), Counted(), parts) for parts in (1, 4)]
    batch, outputs = first_batch(Counted())
    weights = outputs["weights"]
    expected = {
        "loss": float((outputs["loss"].detach() * weights).sum() / weights.sum()),
        "row": float((batch.rows * weights).sum() / weights.sum()),
        "one": 1.0,
    }
    for trace in traces:
        assert {name: trace[0][name] for name in expected} == pytest.approx(expected, rel=1e-5)
        assert "weights" not in trace[0]
    for name in ("loss", "gradient_norm"):
        one, four = ([line[name] for line in trace] for trace in traces)
        assert four == pytest.approx(one, rel=1e-4)


def test_weights_of_one_change_no_bit(tmp_path: Path) -> None:
    """The loss of `Painter` is the mean over the samples: there are no weights."""

    class Unweighted(Counted):
        def forward(self, noisy: Tensor, clean: Tensor, rows: Tensor) -> dict[str, Tensor]:
            outputs = super().forward(noisy, clean, rows)
            return {"loss": outputs["loss"]}

    weighted, plain = Counted(ones=True), Unweighted()
    train(tmp_path / "weighted", weighted, 1)
    train(tmp_path / "plain", plain, 1)
    for one, other in zip(weighted.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_batch_without_weight_teaches_nothing(tmp_path: Path) -> None:
    class Unlabelled(Counted):
        def forward(self, noisy: Tensor, clean: Tensor, rows: Tensor) -> dict[str, Tensor]:
            return {**super().forward(noisy, clean, rows), "weights": torch.zeros(len(rows))}

    task = Unlabelled()
    before = {name: value.clone() for name, value in task.state_dict().items()}
    run = new_run(tmp_path)
    fit_once(task, MemoryLoader(images(), batch=8), options(steps=2, weight_decay=0.0), run)
    assert all(torch.equal(value, before[name]) for name, value in task.state_dict().items())
    assert [line["loss"] for line in read_jsonl(tmp_path / "metrics.jsonl")] == [0.0, 0.0]
