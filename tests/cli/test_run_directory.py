"""The run directory: what is in it, when it is used again, and what --force does."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from executable import Ended, Executable, snapshot

from medfm_cli.runs.run import read_jsonl

Count = Callable[..., Ended]
FILES = {
    "DONE", "checkpoints", "environment.json", "log.jsonl", "metrics.jsonl", "recipe.resolved.yaml",
    "recipe.yaml", "report.html", "result.json", ".lock",
}  # fmt: skip


def test_what_a_finished_run_leaves(count: Count, tmp_path: Path) -> None:
    done = count("shape.side=7")
    folder = tmp_path / done.run_dir
    assert {path.name for path in folder.iterdir()} == FILES
    assert (tmp_path / "runs" / "toy-count").resolve() == folder
    recipe = (folder / "recipe.yaml").read_text()
    assert recipe == "description: count, then end as told\nshape:\n  side: 7\n"
    resolved = (folder / "recipe.resolved.yaml").read_text()
    assert "#   units: 3 — three is enough" in resolved
    assert "\nunits: 3\n" in resolved
    assert read_jsonl(folder / "metrics.jsonl") == [
        {"count": 1}, {"count": 2}, {"count": 3},
    ]  # fmt: skip
    result = json.loads((folder / "result.json").read_text())
    assert result["status"] == "done"
    assert result["hash"][:8] == folder.name[-8:]
    environment = json.loads((folder / "environment.json").read_text())
    assert {"medfm", "python", "cores", "memory_bytes", "packages"} <= set(environment)
    report = (folder / "report.html").read_text()
    assert "It counted." in report
    assert "<script src" not in report


def test_the_written_recipe_runs_to_the_same_directory(
    toy: Executable, count: Count, tmp_path: Path
) -> None:
    folder = tmp_path / count("units=4", "words=[a, 'no', 1e-3x]").run_dir
    (tmp_path / "count.yaml").write_bytes((folder / "recipe.yaml").read_bytes())
    again = toy("toy", "count.yaml", cwd=tmp_path)
    assert tmp_path / again.run_dir == folder
    assert again.stderr.startswith("up to date")


def test_the_resolved_recipe_is_a_recipe_too(toy: Executable, count: Count, tmp_path: Path) -> None:
    folder = count().run_dir
    again = toy("toy", folder / "recipe.resolved.yaml", "--json", cwd=tmp_path)
    assert again.json["metrics"]["counted"] == 3
    resolved = tmp_path / again.json["run_dir"] / "recipe.resolved.yaml"
    assert "units: 3 —" not in resolved.read_text("utf-8"), "nothing is left to choose"


def test_a_finished_run_is_left_as_it_is(count: Count, tmp_path: Path) -> None:
    folder = tmp_path / count().run_dir
    before, times = snapshot(folder), {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    assert count().stderr.startswith("up to date")
    assert snapshot(folder) == before
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == times


def test_what_changes_the_run_changes_its_directory(count: Count) -> None:
    first = count().run_dir
    assert count("units=5").run_dir != first
    assert count("seed=1").run_dir != first
    assert count("description=other words").run_dir == first, "words for people change nothing"


def test_a_run_whose_artefact_was_lost_is_done_again(count: Count, tmp_path: Path) -> None:
    folder = tmp_path / count().run_dir
    (folder / "result.json").write_text("{}")
    assert count("--json").json["status"] == "done"


def test_force_starts_anew_and_keeps_the_older_run(count: Count, tmp_path: Path) -> None:
    folder = tmp_path / count().run_dir
    before = snapshot(folder)
    assert count("--force", "--json").json["status"] == "done"
    starts = read_jsonl(folder / "log.jsonl")
    assert [event["start"] for event in starts if event["event"] == "counting"] == [0]
    kept = snapshot(folder / "previous")
    assert {name.rpartition("/")[2] for name in kept} >= FILES - {".lock", "DONE"}
    assert (folder / "DONE").exists()
    assert count("--force").code == 0
    assert not (folder / "previous" / "previous").exists()
    assert set(before) - {str(folder / ".lock")} <= set(snapshot(folder))


@pytest.mark.parametrize("end", ["failed", "data", "bug"])
def test_a_failed_run_is_tried_again(count: Count, tmp_path: Path, end: str) -> None:
    assert count(f"end={end}").code == count(f"end={end}").code != 0
    (folder,) = (tmp_path / "runs").iterdir()
    events = read_jsonl(folder / "log.jsonl")
    assert [e["status"] for e in events if e["event"] == "ended"] == ["failed", "failed"]
    assert not (folder / "DONE").exists()
    assert not (tmp_path / "runs" / "toy-count").exists(), "the link points to finished runs"


def test_processes_where_there_is_nothing_to_share(count: Count) -> None:
    done = count("--processes", "2")
    assert done.code == 2
    assert "toy works in one process" in done.stderr


def test_a_name_with_odd_letters_makes_a_plain_directory(toy: Executable, tmp_path: Path) -> None:
    (tmp_path / "Ünsere Studie (2).yaml").write_text("units: 1\n", "utf-8")
    done = toy("toy", "Ünsere Studie (2).yaml", cwd=tmp_path)
    assert done.run_dir.name.startswith("toy-nsere-Studie-2-")


def test_a_pipeline_is_a_run_of_runs(toy: Executable, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "one: {verb: toy, units: 2}\ntwo: {verb: toy, after: $one}\n", "utf-8"
    )
    done = toy("run", "p.yaml", "two.units=4", "--json", cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert {k: v["counted"] for k, v in done.json["metrics"].items()} == {"one": 2, "two": 4}
    folder = tmp_path / done.json["run_dir"]
    stages = json.loads((folder / "result.json").read_text())["stages"]
    assert [name.rpartition("-")[0] for name in stages.values()] == ["toy-one", "toy-two"]
    assert all((folder / path / "DONE").is_file() for path in stages.values())
    assert "It counted." in (folder / "report.html").read_text()
    assert (
        toy("run", "p.yaml", "two.units=4", "--json", cwd=tmp_path).json["status"] == "up to date"
    )


def test_a_pipeline_goes_on_where_it_failed(toy: Executable, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "one: {verb: toy, units: 2}\ntwo: {verb: toy, after: $one, end: failed}\n", "utf-8"
    )
    assert toy("run", "p.yaml", cwd=tmp_path).code == 1
    assert toy("run", "p.yaml", cwd=tmp_path).code == 1
    (one,) = (p for p in tmp_path.glob("runs/run-p-*/toy-one-*"))
    assert (one / "log.jsonl").read_text().count('"counting"') == 1


def test_a_gate_in_a_stage_is_the_pipelines_gate(toy: Executable, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("one: {verb: toy, end: gate}\n", "utf-8")
    done = toy("run", "p.yaml", "--json", cwd=tmp_path)
    assert done.code == 5
    assert done.json["error"]["message"].startswith("one: counted 3")
