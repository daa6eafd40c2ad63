"""What `execute` does to a run directory before the engine sees it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from medfm_cli import execute
from medfm_cli.console import Silence
from medfm_cli.errors import EnvironmentProblem
from medfm_cli.execute import Job
from medfm_cli.recipe.parts import Recipe
from medfm_cli.runs import Result, Run
from medfm_cli.runs.plan import Plan, size_text


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


def test_what_a_run_has_written_already_needs_no_room_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A curation that filled the disk continues on what it holds."""
    usage = SimpleNamespace(free=300_000)
    monkeypatch.setattr(execute.shutil, "disk_usage", lambda _: usage)
    plan = Plan([], disk_bytes=1_000_000)
    folder = tmp_path / "run"
    with pytest.raises(
        EnvironmentProblem, match=r"needs about 1\.0 MB of disk at .*; 300 kB are free"
    ):
        execute.check_room(plan, tmp_path, folder)
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "unit").write_bytes(b"x" * 800_000)
    execute.check_room(plan, tmp_path, folder)
    (folder / "checkpoints").rename(folder / "previous")  # of an older run
    with pytest.raises(EnvironmentProblem, match=r"needs about 1\.0 MB"):
        execute.check_room(plan, tmp_path, folder)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (4_100, "4.1 kB"), (44_000_000, "44 MB"),
     (1_250_000_000, "1.2 GB"), (3_000_000_000_000, "3000 GB")],
)  # fmt: skip
def test_sizes_are_shown_in_the_unit_that_suits_them(size: int, text: str) -> None:
    assert size_text(size) == text
