"""Records of a run, and results that survive the disk."""

import json
import math
import threading
from pathlib import Path

import numpy as np
import pytest

from medfm_cli.console import Silence
from medfm_cli.errors import EnvironmentProblem, Stopped
from medfm_cli.runs import Callout, Facts, Result, Run, Section, Table, Text, stopping
from medfm_cli.runs.result import finite
from medfm_cli.runs.run import read_jsonl


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path, "toy", "name", "0" * 64, Silence())


def test_records_are_lines_of_plain_json(run: Run) -> None:
    run.log("started", number=np.float32(0.5), path=run.dir)
    run.metric(step=1, loss=math.nan, many=[np.int64(3), math.inf])
    (event,) = read_jsonl(run.dir / "log.jsonl")
    assert event | {"time": 0} == {
        "time": 0,
        "event": "started",
        "number": 0.5,
        "path": str(run.dir),
    }
    assert read_jsonl(run.dir / "metrics.jsonl") == [{"step": 1, "loss": None, "many": [3, None]}]


def test_what_was_chosen_is_kept_with_its_reason(run: Run) -> None:
    run.resolve("batch", np.int64(32), "it fits")
    assert run.resolved == {"batch": {"value": 32, "why": "it fits"}}
    assert read_jsonl(run.dir / "log.jsonl")[0]["key"] == "batch"


def test_only_the_first_rank_writes_records(tmp_path: Path) -> None:
    Run(tmp_path, "toy", "name", "0" * 64, Silence(), rank=1, world=2).metric(loss=1)
    assert list(tmp_path.iterdir()) == []


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n{"a": 2')
    assert read_jsonl(path) == [{"a": 1}]
    assert read_jsonl(tmp_path / "none") == []


def test_threads_write_whole_lines(run: Run) -> None:
    def write() -> None:
        for step in range(200):
            run.metric(step=step, text="x" * 200)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_jsonl(run.dir / "metrics.jsonl")) == 800


def test_a_log_that_is_a_link_is_not_followed(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("of another")
    (run.dir / "metrics.jsonl").symlink_to(other)
    with pytest.raises(EnvironmentProblem, match="is not a regular file"):
        run.metric(a=1)
    assert other.read_text() == "of another"


def test_paths_have_their_folders_made(run: Run) -> None:
    assert run.path("a", "b", "c").parent.is_dir()
    assert not run.path("a", "b", "c").exists()


def test_a_stop_is_noticed_between_units_of_work(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.check_stop()
    monkeypatch.setattr(stopping, "_received", [15])
    assert run.stop_requested
    with pytest.raises(Stopped, match="SIGTERM") as caught:
        run.check_stop()
    assert caught.value.exit_code == 143


def test_finite() -> None:
    value = {1: (math.nan, -math.inf, 1.5), "a": [np.float64("nan"), np.bool_(True)], "b": "nan"}
    assert finite(value) == {"1": [None, None, 1.5], "a": [None, True], "b": "nan"}


def test_a_result_comes_back_from_the_disk() -> None:
    table = Table(["a", "b"], [["x", 1], [None, 2.5]], caption="c")
    result = Result(
        metrics={"auc": 0.5},
        artefacts={"model": "model"},
        sections=[Section("S", [Text("t"), table, Facts({"k": 1}), Callout("warn", "w")])],
        summary=table,
        headline="h",
        lineage={"l": "1"},
        gate="g",
        stages={"s": "d"},
    )
    assert Result.from_json(json.loads(json.dumps(result.to_json()))) == result
    assert Result.from_json(Result().to_json()) == Result()
