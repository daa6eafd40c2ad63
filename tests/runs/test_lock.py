"""One process at a time in a run directory, and never a lock that outlives its holder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from medfm_cli.errors import EnvironmentProblem, Locked
from medfm_cli.runs.lock import lock

HOLD = """
import sys, time
from pathlib import Path
from medfm_cli.runs.lock import lock
with lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_holder_is_told_who_is_the_first(tmp_path: Path) -> None:
    with lock(tmp_path):
        with pytest.raises(Locked, match=f"process {os.getpid()}") as caught, lock(tmp_path):
            pass
        assert caught.value.exit_code == 75
        assert caught.value.hint
    with lock(tmp_path):
        pass


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(Locked, match=f"process {holder.pid}"), lock(tmp_path):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with lock(tmp_path):
        pass


def test_a_child_process_does_not_keep_the_lock(tmp_path: Path) -> None:
    with lock(tmp_path):
        child = subprocess.Popen(["sleep", "60"])
    try:
        with lock(tmp_path):
            pass
    finally:
        child.kill()
        child.wait()


def test_an_error_inside_lets_go(tmp_path: Path) -> None:
    with pytest.raises(KeyError), lock(tmp_path):
        raise KeyError
    with lock(tmp_path):
        pass


@pytest.mark.parametrize("what", ["a link", "a link to nothing", "a pipe", "a folder"])
def test_what_lies_in_its_place_is_not_followed(tmp_path: Path, what: str) -> None:
    precious, path = tmp_path / "precious.txt", tmp_path / ".lock"
    precious.write_text("results of a year")
    match what:
        case "a link":
            path.symlink_to(precious)
        case "a link to nothing":
            path.symlink_to(tmp_path / "new.txt")
        case "a pipe":
            os.mkfifo(path)
        case "a folder":
            path.mkdir()
    with pytest.raises(EnvironmentProblem, match="is not a regular file"), lock(tmp_path):
        pass
    assert precious.read_text() == "results of a year"
    assert not (tmp_path / "new.txt").exists()
