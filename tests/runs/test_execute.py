"""What `execute` does to a run directory before the engine sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from medfm_cli import execute
from medfm_cli.console import Silence
from medfm_cli.execute import Job
from medfm_cli.recipe.parts import Recipe
from medfm_cli.runs import Result, Run
from medfm_cli.runs.plan import Plan


def test_what_a_killed_process_wrote_aside_is_removed(tmp_path: Path) -> None:
    leftover = tmp_path / "checkpoints" / ".state.json.4711.tmp"
    leftover.parent.mkdir()
    leftover.write_text("torn", "utf-8")
    kept = tmp_path / "checkpoints" / "state.json"
    kept.write_text("whole", "utf-8")
    execute._sweep(tmp_path)
    assert kept.exists() and not leftover.exists()


class Loud(Silence):
    """A console that keeps warnings."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A run that writes a model, and another that has it as a stage."""

    def lead(job: Job, run: Run) -> Result:
        if job.verb == "run":
            stage = execute.execute(Job("toy", "one", job.recipe, run.dir, job.console))
            return Result(stages={"one": str(stage.dir.relative_to(run.dir))})
        run.path("model", "weights").write_bytes(b"0123456789")
        return Result(artefacts={"model": "model"})

    monkeypatch.setattr(execute, "_lead", lead)
    monkeypatch.setattr(execute.verbs, "inputs", lambda *_: {})
    monkeypatch.setattr(execute.verbs, "plan", lambda *_: Plan([]))
    return Job("toy", "one", Recipe(), tmp_path, Loud())


@pytest.mark.parametrize("verb", ["toy", "run"])
def test_a_damaged_artefact_is_not_up_to_date_but_made_again(job: Job, verb: str) -> None:
    job = Job(verb, "one", job.recipe, job.out, job.console)
    first = execute.execute(job)
    assert execute.execute(job).status == "up to date"
    (weights,) = first.dir.rglob("weights")
    weights.write_bytes(b"01234x6789")
    again = execute.execute(job)
    assert (again.status, again.dir) == ("done", first.dir)
    assert weights.read_bytes() == b"0123456789"
    assert isinstance(job.console, Loud)
    (warning,) = job.console.warnings
    assert "was changed after it was written: it is made again" in warning
    (kept,) = first.dir.rglob("previous/model/weights")
    assert kept.read_bytes() == b"01234x6789"
    assert execute.execute(job).status == "up to date"
