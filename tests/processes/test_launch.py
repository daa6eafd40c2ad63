"""Several processes of one command: signals, deaths, exit codes. No torch in them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from executable import until

from medfm_cli.errors import RunFailed
from medfm_cli.processes.launch import launch

PRELUDE = """
import json, os, signal, sys, time
from pathlib import Path
rank = int(os.environ["RANK"])
home = Path(os.environ["HERE"])
"""


def _launch(folder: Path, body: str, processes: int = 2) -> int:
    script = folder / "script.py"
    script.write_text(PRELUDE + body)
    return launch([sys.executable, str(script)], processes, os.environ | {"HERE": str(folder)})


def test_every_process_knows_its_place(tmp_path: Path) -> None:
    body = """
names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
(home / f"{rank}.json").write_text(json.dumps({name: os.environ[name] for name in names}))
"""
    assert _launch(tmp_path, body, processes=3) == 0
    seen = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(3)]
    assert [one["RANK"] for one in seen] == [one["LOCAL_RANK"] for one in seen] == ["0", "1", "2"]
    assert {one["WORLD_SIZE"] for one in seen} == {"3"}
    assert {one["MASTER_ADDR"] for one in seen} == {"127.0.0.1"}
    assert len({one["MASTER_PORT"] for one in seen}) == 1


def test_only_the_first_is_heard(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert _launch(tmp_path, "print('out', rank); print('err', rank, file=sys.stderr)") == 0
    heard = capfd.readouterr()
    assert heard.out == "out 0\n"
    assert heard.err == "err 0\n"


def test_the_first_failure_ends_the_others_and_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medfm_cli.processes.launch._GRACE_SECONDS", 0.5)
    body = """
if rank == 1:
    sys.exit(print("disk full", file=sys.stderr) or 4)
(home / "pid").write_text(str(os.getpid()))
time.sleep(60)
"""
    began = time.monotonic()
    assert _launch(tmp_path, body) == 4
    assert time.monotonic() - began < 20
    assert "disk full" in capfd.readouterr().err
    assert not _alive(int((tmp_path / "pid").read_text()))


def test_one_that_is_killed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medfm_cli.processes.launch._GRACE_SECONDS", 0.5)
    body = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if rank == 1:
    os.kill(os.getpid(), signal.SIGKILL)
time.sleep(60)
"""
    with pytest.raises(RunFailed, match="process 1 of 2 was killed by SIGKILL") as error:
        _launch(tmp_path, body)
    assert error.value.hint is not None and "memory" in error.value.hint


STOPPING = """
def stop(number, frame):
    sys.exit(128 + number)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
(home / f"{rank}.ready").touch()
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_all_and_their_code_comes_back(
    tmp_path: Path, number: signal.Signals
) -> None:
    def ask() -> None:
        until(lambda: len(list(tmp_path.glob("*.ready"))) == 2)
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    asker = threading.Thread(target=ask)
    asker.start()
    assert _launch(tmp_path, STOPPING) == 128 + number
    asker.join()
    assert signal.getsignal(number) == before


def test_a_signal_before_anyone_listens_is_a_stop_too(tmp_path: Path) -> None:
    def ask() -> None:
        until(lambda: len(list(tmp_path.glob("*.ready"))) == 2)
        os.kill(os.getpid(), signal.SIGTERM)

    asker = threading.Thread(target=ask)
    asker.start()
    assert _launch(tmp_path, "(home / f'{rank}.ready').touch(); time.sleep(60)") == 143
    asker.join()


def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(
        PRELUDE
        + "from medfm_cli.processes.launch import follow_parent\n"
        + "follow_parent()\n(home / f'{rank}.pid').write_text(str(os.getpid()))\ntime.sleep(60)\n"
    )
    parent = tmp_path / "parent.py"
    parent.write_text(
        "import os, sys\nfrom medfm_cli.processes.launch import launch\n"
        "assert 'torch' not in sys.modules\n"
        f"launch([sys.executable, {str(worker)!r}], 2, os.environ)\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(parent)], env=os.environ | {"HERE": str(tmp_path)}
    )
    written = until(lambda: [p for p in tmp_path.glob("*.pid") if p.read_text()][:2])
    until(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
    written = until(lambda: [p for p in tmp_path.glob("*.pid") if p.read_text()][1:] and True)
    numbers = [int(path.read_text()) for path in tmp_path.glob("*.pid")]
    assert written and len(numbers) == 2
    process.kill()
    process.wait()
    until(lambda: not any(_alive(number) for number in numbers), timeout=10)


def _alive(number: int) -> bool:
    """Whether a process runs; one that ended and was not waited for counts as dead."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
