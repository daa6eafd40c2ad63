"""Many trainings in one run, each with a scope of its own."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path
from typing import Any

import mortal
import pytest
import three_fits
import torch
from torch import Tensor, nn
from training_tools import MemoryLoader, Painter, fit_once, images, new_run, options

from medfm_cli.data.batch import Batch
from medfm_cli.errors import UsageError
from medfm_cli.runs import Run
from medfm_cli.runs.run import read_jsonl
from medfm_cli.training.guards import Diverged
from medfm_cli.training.loop import FitReport, fit
from medfm_cli.training.options import FitOptions
from medfm_cli.training.randomness import StepRandom
from medfm_cli.training.scope import Scope
from medfm_cli.training.session import Session, open_session

A = Scope(folder="rounds/0003/site-a", fields={"round": 3, "site": "a"})
B = Scope(folder="rounds/0003/site-b", fields={"round": 3, "site": "b"})


def train(task: nn.Module, session: Session, scope: Scope | None = None, **more: Any) -> FitReport:
    chosen = more.pop("options", options())
    return fit(task, MemoryLoader(images(), batch=8), chosen, session=session, scope=scope, **more)  # type: ignore[arg-type]


def equal(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def test_each_training_of_a_run_is_what_it_would_be_alone(tmp_path: Path) -> None:
    alone = Painter(dropout=0.3)
    fit_once(alone, MemoryLoader(images(), batch=8), options(), new_run(tmp_path / "alone"))
    run, tasks = new_run(tmp_path / "run"), [Painter(dropout=0.3) for _ in range(3)]
    with open_session("fp32", run) as session:
        for task, scope in zip(tasks, (None, A, B), strict=True):
            assert train(task, session, scope).resumed_from is None
    assert all(equal(task, alone) for task in tasks)
    lines = read_jsonl(run.path("metrics.jsonl"))
    assert [line["step"] for line in lines] == [*range(1, 13)] * 3
    assert [line.get("site") for line in lines] == [None] * 12 + ["a"] * 12 + ["b"] * 12
    assert all(line["round"] == 3 for line in lines[12:])
    for folder in ("checkpoints", "rounds/0003/site-a/checkpoints"):
        assert sorted(path.name for path in (run.dir / folder).iterdir()) == [
            "step-00000010",
            "step-00000012",
        ]


def test_a_finished_training_found_again_makes_no_step(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    tasks = [Painter(), Painter()]
    reports = []
    for task in tasks:
        with open_session("fp32", run) as session:
            reports.append(train(task, session, A, return_optimiser_state=True))
    assert equal(*tasks)
    assert (reports[1].steps, reports[1].samples, reports[1].resumed_from) == (12, 96, 12)
    assert len(read_jsonl(run.path("metrics.jsonl"))) == 12
    states = [report.optimiser_state for report in reports]
    assert states[0] and states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_checkpoints_of_another_training_are_refused(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    with open_session("fp32", run) as session:
        train(Painter(), session, A)
    other = Scope(folder=A.folder, fields={"round": 4, "site": "a"})
    shorter = options(steps=6)
    for scope, chosen in ((other, options()), (A, shorter)):
        with (
            open_session("fp32", run) as session,
            pytest.raises(UsageError, match="another training: step 12, round 3, site a"),
        ):
            train(Painter(), session, scope, options=chosen)


def test_two_trainings_of_a_session_cannot_share_a_scope(tmp_path: Path) -> None:
    with open_session("fp32", new_run(tmp_path)) as session:
        train(Painter(), session)
        with pytest.raises(ValueError, match="second training"):
            train(Painter(), session)


@pytest.mark.parametrize("folder", ["/a", "../a", "a/../../b", "a//b", "checkpoints/b"])
def test_a_folder_outside_of_the_run_is_refused(folder: str) -> None:
    with pytest.raises(ValueError, match="cannot be the folder"):
        Scope(folder=folder)


def test_pieces_that_carry_on_are_the_whole(tmp_path: Path) -> None:
    """The same batches, draws, rates and moments: bit for bit."""
    changing: dict[str, Any] = {"weight_decay_end": 0.2, "total_steps": 12}
    whole, pieces = Painter(dropout=0.3), Painter(dropout=0.3)
    state = None
    with open_session("fp32", new_run(tmp_path)) as session:
        train(whole, session, options=options(**changing))
        for first in (0, 4, 8):
            chosen = options(steps=4, first_step=first, **changing)
            report = train(
                pieces,
                session,
                Scope(folder=f"pieces/{first}"),
                options=chosen,
                optimiser_state=state,
                return_optimiser_state=True,
            )
            assert (report.steps, report.samples) == (4, 32)
            state = report.optimiser_state
    assert equal(whole, pieces)


def test_a_schedule_and_an_optimiser_of_ones_own(tmp_path: Path) -> None:
    def sgd(task: nn.Module, chosen: FitOptions) -> torch.optim.Optimizer:
        return torch.optim.SGD(task.parameters(), lr=chosen.learning_rate, momentum=0.9)

    task, plain = Painter(), Painter()
    with open_session("fp32", new_run(tmp_path)) as session:
        train(task, session, optimiser=sgd, schedule=lambda step: 1 / (1 + step))
    optimiser = torch.optim.SGD(plain.parameters(), lr=1e-2, momentum=0.9)
    for step, batch in enumerate(MemoryLoader(images(), batch=8).steps(0, 12)):
        optimiser.param_groups[0]["lr"] = 1e-2 / (1 + step)
        random = StepRandom(seed=7, step=step, batch=8, device=torch.device("cpu"))
        optimiser.zero_grad()
        plain(**plain.inputs(batch, random))["loss"].backward()
        optimiser.step()
    assert equal(task, plain)


def test_which_weights_are_kept(tmp_path: Path) -> None:
    kept: dict[str, Painter] = {}
    with open_session("fp32", new_run(tmp_path)) as session:
        for keep in ("best", "ema", "last"):
            losses = iter((1.0, 2.0))
            kept[keep] = Painter()
            train(
                kept[keep],
                session,
                Scope(folder=keep),
                options=options(ema=0.9, validate_steps=6),
                validate=lambda _, losses=losses: {"loss": next(losses)},
                keep=keep,
            )
        plain = Painter()
        train(plain, session, Scope(folder="plain"))
        with pytest.raises(ValueError, match="no moving average"):
            train(Painter(), session, Scope(folder="none"), keep="ema")
    assert equal(kept["last"], plain)
    assert len({float(task.first.weight.detach().sum()) for task in kept.values()}) == 3


def test_one_that_diverges_leaves_the_session_to_the_next(tmp_path: Path) -> None:
    class Diverging(Painter):
        def inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
            inputs = super().inputs(batch, random)
            return {**inputs, "clean": inputs["clean"] * (torch.nan if random.step == 3 else 1)}

    alone = Painter()
    run = new_run(tmp_path / "run")
    fit_once(alone, MemoryLoader(images(), batch=8), options(), new_run(tmp_path / "alone"))
    with open_session("fp32", run) as session:
        broken = Diverging()
        with pytest.raises(Diverged) as error:
            train(broken, session, A)
        assert (error.value.quantity, error.value.step) == ("loss", 4)
        assert len(error.value.samples) == 8
        task = Painter()
        train(task, session, B)
    assert equal(task, alone)


def records(run: Run) -> dict[tuple[str, int], float]:
    lines = read_jsonl(run.path("metrics.jsonl"))
    return {(line["site"], line["step"]): line["loss"] for line in lines}


def test_killed_in_the_second_of_three_trainings_it_ends_with_the_same_bits(
    tmp_path: Path,
) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    assert mortal.run(three_fits.train, whole) == 0
    after = random.randrange(1, 13)
    assert mortal.run(three_fits.train, torn, after) == -signal.SIGKILL
    assert mortal.run(three_fits.train, torn) == 0
    resumed = [json.loads((folder / "resumed.json").read_text()) for folder in (whole, torn)]
    last = (after - 1) // 5 * 5 or None  # it dies before a checkpoint is due
    assert resumed == [[None] * 3, [12, last, None]], f"killed after step {after}"
    weights = [(folder / "weights.safetensors").read_bytes() for folder in (whole, torn)]
    assert weights[0] == weights[1], f"killed after step {after}"
    assert records(new_run(whole)) == records(new_run(torn))
