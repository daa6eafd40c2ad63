"""The loop: the same result whatever happens on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from training_tools import MemoryLoader, Painter, fit_once, images, new_run, options

from medfm_cli.data.batch import Batch
from medfm_cli.errors import EnvironmentProblem, RunFailed, Stopped, UsageError
from medfm_cli.runs import Run, stopping
from medfm_cli.runs.run import read_jsonl
from medfm_cli.training.loop import FitReport
from medfm_cli.training.options import FitOptions
from medfm_cli.training.randomness import StepRandom

TIMES = {"samples_per_second", "waiting"}


class _Crash(Exception):
    """Stands for a process that dies."""


class _Crashing(MemoryLoader):
    """Dies when the batch of step `at` is asked for."""

    def __init__(self, *, at: int) -> None:
        super().__init__(images(), batch=8)
        self.at = at

    def steps(self, start: int, stop: int) -> Iterator[Batch]:
        for step, batch in enumerate(super().steps(start, stop), start):
            if step == self.at:
                raise _Crash
            yield batch


def _fit(run: Run, task: Painter, chosen: FitOptions, *, crash: int = -1, **more: Any) -> FitReport:
    return fit_once(task, _Crashing(at=crash), chosen, run, **more)


def _records(run: Run) -> dict[int, dict[str, Any]]:
    return {
        record["step"]: {k: v for k, v in record.items() if k not in TIMES}
        for record in read_jsonl(run.path("metrics.jsonl"))
    }


def _equal(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"accumulate": 4, "clip": 0.5},
        {"ema": 0.9, "log_steps": 3},
        {"checkpoint_steps": 1, "keep_checkpoints": 1},
    ],
    ids=["plain", "accumulated", "averaged", "every step"],
)
def test_dying_anywhere_changes_nothing(tmp_path: Path, keys: dict[str, Any]) -> None:
    chosen = options(**keys)
    whole, torn = new_run(tmp_path / "whole"), new_run(tmp_path / "torn")
    expected = Painter(dropout=0.3)
    _fit(whole, expected, chosen)
    for at in (2, 7, 7, 11):
        with pytest.raises(_Crash):
            _fit(torn, Painter(dropout=0.3), chosen, crash=at)
    task = Painter(dropout=0.3)
    report = _fit(torn, task, chosen)
    assert report.resumed_from == (11 if chosen.checkpoint_steps == 1 else 10)
    assert report.steps == 12
    assert _equal(task, expected)
    assert _records(torn) == _records(whole)


def test_a_finished_run_is_taken_up_without_a_step(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    first, again = Painter(), Painter()
    _fit(run, first, options())
    report = _fit(run, again, options())
    assert (report.steps, report.resumed_from) == (12, 12)
    assert _equal(first, again)


def test_parts_of_a_batch_add_up_to_the_batch(tmp_path: Path) -> None:
    runs = [new_run(tmp_path / str(parts)) for parts in (1, 2, 8)]
    for run, parts in zip(runs, (1, 2, 8), strict=True):
        _fit(run, Painter(), options(accumulate=parts))
    losses = [[record["loss"] for record in _records(run).values()] for run in runs]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert losses[2] == pytest.approx(losses[0], rel=1e-5)


def test_learns_like_a_loop_written_by_hand(tmp_path: Path) -> None:
    chosen = options(steps=5, warmup_steps=0, weight_decay=0.1, clip=0.2)
    task, run = Painter(), new_run(tmp_path)
    _fit(run, task, chosen)
    plain = Painter()
    decayed = [p for p in plain.parameters() if p.ndim > 1]
    spared = [p for p in plain.parameters() if p.ndim == 1]
    groups = [
        {"params": decayed, "weight_decay": 0.1},
        {"params": spared, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.95))
    for step, batch in enumerate(MemoryLoader(images(), batch=8).steps(0, 5)):
        for group in optimiser.param_groups:
            group["lr"] = 1e-2 * 0.5 * (1 + torch.cos(torch.tensor(torch.pi * step / 5))).item()
        random = StepRandom(seed=7, step=step, batch=8, device=torch.device("cpu"))
        optimiser.zero_grad()
        plain(**plain.inputs(batch, random))["loss"].backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 0.2)
        optimiser.step()
    for mine, theirs in zip(task.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-6)


class _Poisoned(Painter):
    """Gives NaN for one sample; with `inside` the loss is finite and its gradient is not."""

    def __init__(self, row: int, *, inside: bool = False) -> None:
        super().__init__()
        self.row = row
        self.inside = inside

    def inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        return {**super().inputs(batch, random), "hit": (batch.rows == self.row).any()}

    def forward(self, noisy: Tensor, clean: Tensor, hit: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        loss = super().forward(noisy, clean)["loss"]
        if hit and self.inside:
            loss = loss + (self.last.weight * 0).sum().sqrt()  # 0, of infinite slope
        elif hit:
            loss = loss * torch.nan
        return {"loss": loss}


@pytest.mark.parametrize("inside", [False, True], ids=["loss", "gradient"])
def test_a_number_that_is_not_finite_ends_the_run_and_names_the_samples(
    tmp_path: Path, inside: bool
) -> None:
    loader = MemoryLoader(images(), batch=8)
    batches = list(loader.steps(0, 5))
    row = int(batches[3].rows[5])
    task, run = _Poisoned(row, inside=inside), new_run(tmp_path)
    with pytest.raises(RunFailed) as error:
        fit_once(
            task,
            loader,
            options(accumulate=4, checkpoint_steps=2),
            run,
            sample_id=lambda number: f"sample-{number}",
        )
    what = "gradient" if inside else "loss"
    assert f"the {what} is not a finite number at step 4" in error.value.message
    suspects = batches[3].rows if inside else batches[3].rows[4:6]
    assert all(f"sample-{r}" in error.value.message for r in suspects.tolist())
    assert error.value.message.count("sample-") == len(suspects)
    assert all(p.isfinite().all() for p in task.parameters())
    assert sorted(_records(run)) == [1, 2, 3]
    assert [p.name for p in run.path("checkpoints").iterdir()] == ["step-00000002"]


def test_a_signal_stops_after_a_checkpoint_and_the_next_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Painter()
    _fit(new_run(tmp_path / "whole"), expected, options())

    class Signalled(Painter):
        def inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
            if random.step == 3:
                asked.append(15)
            return super().inputs(batch, random)

    asked: list[int] = []
    monkeypatch.setattr(stopping, "_received", asked)
    run = new_run(tmp_path / "stopped")
    with pytest.raises(Stopped) as error:
        _fit(run, Signalled(), options())
    assert error.value.exit_code == 143
    asked.clear()
    task = Painter()
    assert _fit(run, task, options()).resumed_from == 4
    assert _equal(task, expected)


def test_time_asks_for_checkpoints_too(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    _fit(
        run,
        Painter(),
        options(steps=4, checkpoint_steps=1000, checkpoint_seconds=0.0, keep_checkpoints=9),
    )
    steps = [r["step"] for r in read_jsonl(run.path("log.jsonl")) if r["event"] == "checkpoint"]
    assert steps == [1, 2, 3, 4]


def test_the_best_weights_are_kept_over_a_crash(tmp_path: Path) -> None:
    """The validation loss is lowest at step 4, in the run's first life."""

    def validate(task: nn.Module) -> dict[str, float]:
        assert not task.training
        assert not torch.is_grad_enabled()
        seen.append({k: v.clone() for k, v in task.state_dict().items()})
        return {"loss": float(abs(len(seen) - 2)), "auc": 0.5}

    seen: list[dict[str, Tensor]] = []
    chosen = options(validate_steps=2, checkpoint_steps=3)
    run = new_run(tmp_path)
    with pytest.raises(_Crash):
        _fit(run, Painter(), chosen, crash=7, validate=validate)
    seen = seen[:3]
    task = Painter()
    report = _fit(run, task, chosen, validate=validate)
    assert report.best_step == 4
    assert all(torch.equal(v, seen[1][k]) for k, v in task.state_dict().items())
    rows = [r for r in read_jsonl(run.path("metrics.jsonl")) if "val_loss" in r]
    assert {row["step"] for row in rows} == {2, 4, 6, 8, 10, 12}
    assert all(row["val_auc"] == 0.5 for row in rows)


def test_the_average_is_what_is_validated_and_kept(tmp_path: Path) -> None:
    plain, averaged = Painter(), Painter()
    seen: list[Tensor] = []

    def validate(task: nn.Module) -> dict[str, float]:
        seen.append(next(task.parameters()).clone())
        return {"loss": 1.0 / len(seen)}

    _fit(new_run(tmp_path / "a"), plain, options())
    _fit(new_run(tmp_path / "b"), averaged, options(ema=0.9), validate=validate)
    assert torch.equal(next(averaged.parameters()), seen[-1])
    assert not torch.equal(next(averaged.parameters()), next(plain.parameters()))


def test_a_checkpoint_of_another_batch_is_refused(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    with pytest.raises(_Crash):
        _fit(run, Painter(), options(), crash=7)
    with pytest.raises(UsageError, match="batches of 8") as error:
        fit_once(Painter(), MemoryLoader(images(), batch=4), options(batch=4), run)
    assert error.value.hint is not None and "batch=8" in error.value.hint


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    with pytest.raises(_Crash):
        _fit(run, Painter(), options(), crash=7)
    other = Painter()
    other.last = nn.Linear(32, 65)
    with pytest.raises(RunFailed, match="does not fit"):
        _fit(run, other, options())


def test_a_torn_checkpoint_is_passed_over(tmp_path: Path) -> None:
    expected = Painter()
    _fit(new_run(tmp_path / "whole"), expected, options())
    run = new_run(tmp_path / "torn")
    with pytest.raises(_Crash):
        _fit(run, Painter(), options(checkpoint_steps=3), crash=8)
    (run.path("checkpoints", "step-00000006") / "optimiser.safetensors").write_bytes(b"torn")
    task = Painter()
    assert _fit(run, task, options(checkpoint_steps=3)).resumed_from == 3
    assert _equal(task, expected)
    assert any(r["event"] == "checkpoint_torn" for r in read_jsonl(run.path("log.jsonl")))


def test_trainings_of_different_precision_follow_one_another(tmp_path: Path) -> None:
    for precision in ("fp32", "bf16", "fp32"):
        task = Painter()
        report = _fit(
            new_run(tmp_path / f"{precision}-{id(task)}"), task, options(precision=precision)
        )
        assert report.precision == precision
        assert all(p.dtype == torch.float32 for p in task.parameters())
        assert not torch.are_deterministic_algorithms_enabled()
        assert task.forward.__func__ is Painter.forward  # Accelerate's wrapping is undone


def test_fp16_on_the_cpu_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="fp16 needs a GPU"):
        _fit(new_run(tmp_path), Painter(), options(precision="fp16"))
