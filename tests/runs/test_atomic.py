"""Files and folders that are there whole or not at all, whatever happens in between."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from medfm_cli.runs.atomic import aside, point, replace_dir, write_bytes, write_json, write_text


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_bytes(path, b"one")
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["file"]
    write_text(path, "é")
    assert path.read_bytes() == "é".encode()


def test_json_for_people_and_never_nan(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"ä": [1, None]})
    assert path.read_text() == '{\n  "ä": [\n    1,\n    null\n  ]\n}\n'
    with pytest.raises(ValueError, match="Out of range"):
        write_json(path, float("nan"))
    assert json.loads(path.read_text()) == {"ä": [1, None]}


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt(), SystemExit(1)])
def test_an_error_leaves_what_was_there(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(type(error)), aside(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_data_reach_the_disk_before_the_name_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("sync"), fsync(fd))[1])
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (events.append("rename"), replace(self, to))[1]
    )
    write_bytes(tmp_path / "file", b"x")
    assert events == ["sync", "rename", "sync"]


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "set"
    for text in ("one", "two"):
        with replace_dir(path) as fresh:
            (fresh / "deep").mkdir()
            (fresh / "deep" / text).write_text(text)
    assert [p.name for p in (path / "deep").iterdir()] == ["two"]
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_an_error_keeps_the_old_folder(tmp_path: Path) -> None:
    path = tmp_path / "set"
    with replace_dir(path) as fresh:
        (fresh / "old").touch()
    with pytest.raises(OSError, match="full"), replace_dir(path) as fresh:
        (fresh / "new").touch()
        raise OSError("full")
    assert [p.name for p in path.iterdir()] == ["old"]
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize(("renames", "left"), [(0, "old"), (1, "old"), (2, "new")])
def test_a_kill_at_any_moment_loses_no_folder(tmp_path: Path, renames: int, left: str) -> None:
    """Killed before, between and after the two renames: the old or the new folder is there."""
    path = tmp_path / "set"
    with replace_dir(path) as fresh:
        (fresh / "content").write_text("old")
    code = f"""
import os, signal
from pathlib import Path
from medfm_cli.runs.atomic import replace_dir
real, left = Path.replace, {renames}
def replace(self, to):
    global left
    if left:
        real(self, to)
        left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
Path.replace = replace
with replace_dir(Path({str(path)!r})) as fresh:
    (fresh / "content").write_text("new")
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(RuntimeError), replace_dir(path):  # the next call puts things right first
        raise RuntimeError
    assert (path / "content").read_text() == left
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_a_link_is_moved_and_nothing_else_is_overwritten(tmp_path: Path) -> None:
    first, second, link = tmp_path / "one", tmp_path / "two", tmp_path / "newest"
    first.mkdir()
    second.mkdir()
    point(link, first)
    point(link, second)
    assert link.resolve() == second
    assert link.readlink() == Path("two"), "relative: the folder can be moved as a whole"
    real = tmp_path / "real"
    real.mkdir()
    point(real, first)
    assert not real.is_symlink()
    second.rmdir()
    point(link, first)
    assert link.resolve() == first, "a dangling link is replaced too"
