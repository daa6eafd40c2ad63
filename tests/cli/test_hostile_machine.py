"""A full disk, no permission, a killed process: one sentence, and nothing is lost."""

import ctypes
import json
import os
import resource
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from executable import Ended, Executable, snapshot, until

Count = Callable[..., Ended]
PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


def limited_to(size: int) -> Callable[[], None]:
    """No file may grow past `size` bytes: what the process sees is a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def without_privilege() -> None:
    """Let permissions hold even for root, in the process that is about to start."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                os._exit(99)


def test_a_full_disk_is_told_and_the_run_goes_on_later(count: Count, tmp_path: Path) -> None:
    done = count("megabytes=2", before=limited_to(1_000_000))
    assert done.code == 4
    assert done.stderr.endswith(
        "  → free some space, then run the same command again to continue\n"
    )
    assert "there is no room left to write" in done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert not list(folder.rglob("*.tmp"))
    assert not (folder / "big.bin").exists()
    assert not (folder / "DONE").exists()
    assert json.loads((folder / "checkpoints" / "count.json").read_text()) == 3

    again = count("megabytes=2")
    assert again.code == 0
    assert (folder / "big.bin").stat().st_size == 2_000_000
    assert (folder / "log.jsonl").read_text().count('"start": 3') == 1


@pytest.mark.parametrize("size", [0, 50, 300, 2000, 5000])
def test_a_disk_that_is_full_at_any_point(count: Count, tmp_path: Path, size: int) -> None:
    """Whichever file is the first not to fit: records stay whole, and the next run finishes."""
    done = count("--json", before=limited_to(size))
    assert done.code == 4, done.stderr
    assert done.json["error"]["kind"] == "environment"
    for path in (tmp_path / "runs").rglob("*.json"):
        json.loads(path.read_text())
    assert not list(tmp_path.rglob("*.tmp"))
    assert count("--json").json["status"] == "done"


def test_no_permission_to_write(count: Count, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    done = count("--out", "closed", before=without_privilege)
    assert done.code == 4
    assert done.stderr.startswith("error: there is no permission to read or write at 'closed")
    assert "choose another --out" in done.stderr
    assert list((tmp_path / "closed").iterdir()) == []


def test_a_run_directory_that_became_read_only(count: Count, tmp_path: Path) -> None:
    assert count("end=failed").code == 1
    (folder,) = (tmp_path / "runs").iterdir()
    before = snapshot(folder)
    folder.chmod(0o555)
    assert count("end=failed", before=without_privilege).code == 4
    folder.chmod(0o755)
    assert {k: v for k, v in snapshot(folder).items() if k.endswith("result.json")}.items() <= (
        before.items()
    )


def test_a_recipe_that_may_not_be_read(count: Count, tmp_path: Path) -> None:
    recipe = tmp_path / "count.yaml"
    recipe.chmod(stat.S_IWUSR)
    done = count(before=without_privilege)
    assert done.code == 2
    assert done.stderr == "error: count.yaml: cannot be read: Permission denied\n"


@pytest.mark.parametrize("out", ["file", "file/deeper"])
def test_out_that_is_a_file(count: Count, tmp_path: Path, out: str) -> None:
    (tmp_path / "file").touch()
    for options in ((), ("--dry-run",)):
        done = count("--out", out, *options)
        assert done.code == 2
        assert done.stderr == (
            f"error: '{tmp_path / 'file'}' is a file, so no run directory can be made in it\n"
            "  → choose another --out\n"
        )


def test_a_killed_run_loses_nothing_but_its_last_unit(
    toy: Executable, count: Count, tmp_path: Path
) -> None:
    arguments = ("units=60", "pause=0.02")
    reached = -1
    for _ in range(3):
        process = toy.start("toy", "count.yaml", *arguments, cwd=tmp_path)
        goal = reached + 5
        until(lambda: any(int(p.read_text()) > goal for p in states_of(tmp_path)))  # noqa: B023
        process.send_signal(signal.SIGKILL)
        process.communicate()
        (state,) = states_of(tmp_path)
        assert int(state.read_text()) > reached, "work is not done twice"
        reached = int(state.read_text())
    done = count(*arguments, "--json")
    assert done.json["metrics"]["counted"] == 60
    lines = (tmp_path / done.json["run_dir"] / "metrics.jsonl").read_text().splitlines()
    numbers = [json.loads(line)["count"] for line in lines]
    assert sorted(set(numbers)) == list(range(1, 61))
    assert len(numbers) <= 60 + 3


def states_of(folder: Path) -> list[Path]:
    """The checkpoint of the toy run in a folder, once it is there."""
    return list(folder.glob("runs/*/checkpoints/count.json"))


def test_a_torn_last_line_of_a_log_is_mended(count: Count, tmp_path: Path) -> None:
    assert count("end=failed").code == 1
    (log,) = tmp_path.glob("runs/*/log.jsonl")
    whole = log.read_text()
    log.write_text(whole + '{"time": 17')
    assert count("end=failed").code == 1
    lines = log.read_text().splitlines()
    assert lines[len(whole.splitlines())] == '{"time": 17'
    json.loads(lines[-1])


def test_a_bug_shows_no_local_variables_and_no_message(count: Count, tmp_path: Path) -> None:
    done = count("end=bug")
    assert "DOE" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert "DOE" not in count("end=bug", "--json").stdout
    (written,) = tmp_path.glob("runs/*/traceback.txt")
    assert "in _end" in written.read_text()
    assert written.read_text().endswith("\nKeyError\n")
    assert "DOE" not in written.read_text()


def test_a_bug_whose_traceback_cannot_be_written_still_shows_no_data(
    count: Count, tmp_path: Path
) -> None:
    assert count("end=bug").code == 70
    (folder,) = (tmp_path / "runs").iterdir()
    (folder / "traceback.txt").unlink()
    (folder / "traceback.txt").mkdir()
    done = count("end=bug")
    assert done.code == 70
    assert "in _end" in done.stderr
    assert "DOE" not in done.stderr


def test_a_bug_in_a_command_line_itself_is_told_alike(toy: Executable) -> None:
    for options in ((), ("--json",)):
        done = toy("stray", *options)
        assert done.code == (2 if options else 70)  # it has no option --json
        assert "DOE" not in done.stderr + done.stdout
        assert "Traceback" not in done.stderr
    assert "this is a bug in medfm (LookupError)" in toy("stray").stderr
