"""The table of exit codes, one test each (docs/exit-codes.md)."""

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from executable import Ended, Executable, ended, stopped, until

from medfm_cli.errors import ExitCode

Count = Callable[..., Ended]
FOREVER = ("units=100000", "pause=0.02")


def started(toy: Executable, folder: Path, *arguments: str) -> tuple[object, Path]:
    """A `medfm toy` that is counting, and its run directory."""
    process = toy.start("toy", "count.yaml", *FOREVER, *arguments, cwd=folder)
    state = until(lambda: next(folder.glob("runs/*/checkpoints/count.json"), None))
    return process, state.parent.parent


def test_0_done(count: Count, tmp_path: Path) -> None:
    done = count()
    assert done.code == ExitCode.DONE == 0
    assert (tmp_path / done.stdout.strip() / "DONE").is_file()


def test_0_up_to_date(count: Count) -> None:
    first, again = count(), count()
    assert again.code == 0
    assert again.stdout == first.stdout
    assert again.stderr.startswith("up to date: nothing to do")


def test_1_the_run_failed(count: Count) -> None:
    done = count("end=failed")
    assert done.code == ExitCode.FAILED == 1
    assert done.stderr.endswith("error: the loss was not a number at step 3\n  → lower the rate\n")


def test_2_a_wrong_command_line(medfm: Executable) -> None:
    done = medfm("curate", "--procesess", "2")
    assert done.code == ExitCode.USAGE == 2
    assert re.search(r"Did you mean '?--processes'?\?", done.stderr)


def test_2_a_wrong_recipe(count: Count) -> None:
    done = count("unitz=3")
    assert done.code == 2
    assert done.stderr == (
        "error: override 'unitz=3': unitz: unknown key (did you mean 'units'?)\n"
    )


def test_3_the_data_cannot_be_used(count: Count) -> None:
    assert count("end=data").code == ExitCode.DATA == 3


@pytest.mark.parametrize("end", ["environment", "memory", "missing"])
def test_4_the_machine_lacks_something(count: Count, end: str) -> None:
    done = count(f"end={end}")
    assert done.code == ExitCode.ENVIRONMENT == 4
    assert re.search(r"^error: .*\n  → .*\n\Z", done.stderr, re.MULTILINE)


def test_5_a_gate_is_not_met_but_the_run_is_kept(count: Count, tmp_path: Path) -> None:
    done = count("end=gate")
    assert done.code == ExitCode.GATE == 5
    assert done.stderr.endswith("error: gate not met: counted 3, the recipe asks for more\n")
    assert (tmp_path / done.stdout.strip() / "report.html").is_file()
    assert count("end=gate").code == 5, "a gate that was not met stays so when up to date"


def test_70_a_bug_leaves_its_traceback_in_the_run_directory(count: Count, tmp_path: Path) -> None:
    done = count("end=bug")
    assert done.code == ExitCode.BUG == 70
    assert "this is a bug in medfm (KeyError)" in done.stderr
    path = re.search(r"the traceback is in '(.*)'", done.stderr)
    assert path
    text = (tmp_path / path[1]).read_text()
    assert "in _end" in text
    assert Path(path[1]).parts[0] == "runs"


def test_75_another_run_works_there(toy: Executable, count: Count, tmp_path: Path) -> None:
    process, folder = started(toy, tmp_path)
    try:
        before = (folder / "recipe.yaml").read_bytes()
        done = count(*FOREVER)
        assert done.code == ExitCode.LOCKED == os.EX_TEMPFAIL == 75
        assert f"another run (process {process.pid}) is working in" in done.stderr
        assert count(*FOREVER, "--force").code == 75
        assert (folder / "recipe.yaml").read_bytes() == before
    finally:
        process.kill()
        process.communicate()
    assert count(*FOREVER, "--dry-run").code == 0, "a killed run holds no lock"


@pytest.mark.parametrize(
    ("signum", "code"),
    [
        (signal.SIGINT, ExitCode.INTERRUPTED),
        (signal.SIGTERM, ExitCode.TERMINATED),
        (signal.SIGHUP, ExitCode.HUNG_UP),
    ],
)
def test_129_130_and_143_stopped_by_a_signal_and_continued(
    toy: Executable, tmp_path: Path, count: Count, signum: signal.Signals, code: ExitCode
) -> None:
    process, folder = started(toy, tmp_path, "--json")
    done = stopped(process, by=signum)
    assert done.code == code == 128 + signum
    assert f"error: stopped by {signum.name}; progress is kept" in done.stderr
    assert done.json["status"] == "stopped"
    assert json.loads((folder / "result.json").read_text())["status"] == "stopped"
    assert not (folder / "DONE").exists()

    reached = json.loads((folder / "checkpoints" / "count.json").read_text())
    process, _ = started(toy, tmp_path)
    log = folder / "log.jsonl"
    until(lambda: log.read_text().count('"counting"') == 2)
    stopped(process, by=signal.SIGTERM)
    starts = [json.loads(line) for line in log.read_text().splitlines()]
    assert [e["start"] for e in starts if e["event"] == "counting"] == [0, reached]


def test_a_second_signal_does_not_wait(toy: Executable, tmp_path: Path, count: Count) -> None:
    process = toy.start("toy", "count.yaml", "units=10", "pause=60", cwd=tmp_path)
    until(lambda: '"counting"' in "".join(p.read_text() for p in tmp_path.glob("runs/*/log.jsonl")))
    process.send_signal(signal.SIGTERM)
    assert process.stderr
    assert "a second signal stops at once" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    assert ended(process, timeout=20).code == 143
