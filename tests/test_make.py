"""The makefile: what it would do, without doing it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = ("Makefile", "pyproject.toml", "constraints.txt")

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")

PYTHON = """#!/bin/sh
echo "$*" >> "{log}"
case "$*" in
  *"-m uv --version"*) exit {uv} ;;
  *"install"*" uv") exit {pip_gets_uv} ;;
esac
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The makefile and what it depends on, with an environment in place."""
    for name in FILES:
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    for folder in ("scripts", "medfm_cli"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "scripts" / "install", tmp_path / "scripts")
    shutil.copy(ROOT / "medfm_cli" / "version.py", tmp_path / "medfm_cli")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    return tmp_path


def fake_python(folder: Path, *, uv: bool, pip_gets_uv: bool) -> Path:
    """A Python that notes what it is asked, with or without uv."""
    log = folder / "log"
    path = folder / ".venv" / "bin" / "python"
    path.write_text(PYTHON.format(log=log, uv=int(not uv), pip_gets_uv=int(not pip_gets_uv)))
    path.chmod(0o755)
    medfm = folder / ".venv" / "bin" / "medfm"
    medfm.write_text(f'#!/bin/sh\necho "medfm $*" >> "{log}"\n')
    medfm.chmod(0o755)
    return log


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=clean, capture_output=True, text=True
    )


def test_quickstart_installs_once_and_then_only_runs(copy: Path) -> None:
    log = fake_python(copy, uv=True, pip_gets_uv=False)
    for _ in range(2):
        done = make(copy, "quickstart")
        assert done.returncode == 0, done.stderr
    asked = log.read_text().splitlines()
    installs = [line for line in asked if "pip install" in line]
    assert len(installs) == 1
    assert installs[0].endswith("-c constraints.txt -e .[train,demo]")
    assert asked.count("medfm run quickstart") == 2


def test_a_changed_requirement_installs_again(copy: Path) -> None:
    log = fake_python(copy, uv=True, pip_gets_uv=False)
    assert make(copy, "install").returncode == 0
    later = (copy / ".venv" / ".medfm-demo").stat().st_mtime + 10
    os.utime(copy / "constraints.txt", (later, later))
    assert make(copy, "install").returncode == 0
    assert log.read_text().count("-m uv pip install") == 2


def test_uv_is_fetched_and_pip_does_it_where_uv_cannot_be_had(copy: Path) -> None:
    log = fake_python(copy, uv=False, pip_gets_uv=True)
    assert make(copy, "install").returncode == 0
    assert "-m uv pip install" in log.read_text()
    (copy / ".venv" / ".medfm-demo").unlink()
    log.unlink()
    log = fake_python(copy, uv=False, pip_gets_uv=False)
    done = make(copy, "install")
    assert done.returncode == 0
    assert "pip takes a few minutes instead" in done.stderr
    last = log.read_text().splitlines()[-1]
    assert last.startswith("-m pip install")
    assert last.endswith("-c constraints.txt -e .[train,demo]")


def test_tests_and_checks_share_one_environment(copy: Path) -> None:
    fake_python(copy, uv=True, pip_gets_uv=False)
    planned = make(copy, "-n", "test", "check").stdout
    assert planned.count('scripts/install ".venv/bin/python" "test"') == 1
    assert "-m pytest -n 2" in planned
    for check in ("ruff check", "ruff format --check", "mypy -p medfm_cli", "generate.py --check"):
        assert check in planned


def test_ci_runs_what_people_run() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert text.rstrip().endswith("make test\nmake check")
    assert "set -euo pipefail" in text
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
