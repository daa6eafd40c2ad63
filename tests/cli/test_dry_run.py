"""`--dry-run` resolves and checks everything, and touches nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from executable import Ended, Executable, snapshot

Count = Callable[..., Ended]


@pytest.mark.parametrize("extra", [(), ("--json",), ("--force",), ("--out", "new/deep"), ("-q",)])
def test_nothing_is_touched(count: Count, tmp_path: Path, extra: tuple[str, ...]) -> None:
    before = snapshot(tmp_path)
    done = count("--dry-run", *extra)
    assert done.code == 0
    assert snapshot(tmp_path) == before


def test_the_plan_is_the_result(count: Count) -> None:
    done = count("--dry-run", "units=7")
    assert done.stdout.startswith("- count to 7\n- run directory: runs/toy-count-")
    assert "nothing was written" in done.stderr


def test_the_plan_names_the_directory_that_the_run_then_uses(count: Count, tmp_path: Path) -> None:
    plan = count("--dry-run", "--json").json
    assert plan["status"] == "planned"
    assert not Path(tmp_path, plan["run_dir"]).exists()
    assert count("--json").json["run_dir"] == plan["run_dir"]
    before = snapshot(tmp_path)
    assert "(is done)" in count("--dry-run").stdout
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("override", "code", "said"),
    [
        ("unitz=7", 2, "unknown key"),
        ("needs_disk=1000000000000000000", 4, "disk"),
        ("needs_memory=1000000000000000", 4, "of memory"),
        ("data=nowhere", 3, "nowhere"),
    ],
)
def test_what_would_fail_fails_now(
    count: Count, tmp_path: Path, override: str, code: int, said: str
) -> None:
    before = snapshot(tmp_path)
    for options in (("--dry-run",), ()):
        done = count(override, *options)
        assert done.code == code
        assert said in done.stderr
        assert snapshot(tmp_path) == before


def test_the_plan_of_a_pipeline_names_its_stages(toy: Executable, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "one: {verb: toy, units: 2}\ntwo: {verb: toy, after: $one}\n", "utf-8"
    )
    done = toy("run", "p.yaml", "--dry-run", cwd=tmp_path)
    assert done.code == 0
    assert "one (toy)" in done.stdout
    assert "count to 2" in done.stdout
    assert "two (toy) after one" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["p.yaml"]
