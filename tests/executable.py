"""Driving the real executable: one process a call, with a limit in time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import warm

MEDFM = Path(sys.executable).parent / "medfm"
INSIDE = Path(__file__).parent / "inside"
SECONDS = 60.0
PATIENCE = 5
"""Every limit in time holds for a quiet machine; a busy one may take this many times as long."""
NOWHERE = "http://127.0.0.1:9"
"""A proxy that refuses: what asks the network fails at once, as in a hospital."""


@dataclass(frozen=True)
class Ended:
    """A process that ended: its exit code (negative: killed by a signal) and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON document on stdout; fails when there is more or less than that."""
        assert self.stdout.count("\n") == 1, self.stdout
        document = json.loads(self.stdout)
        assert isinstance(document, dict)
        return document

    @property
    def run_dir(self) -> Path:
        """The run directory that a verb printed as its result."""
        assert self.code == 0, self.stderr
        assert self.stdout.count("\n") == 1, self.stdout
        return Path(self.stdout.strip())


@dataclass(frozen=True)
class Executable:
    """`medfm` with an environment of its own."""

    home: Path
    environment: dict[str, str]

    def having(self, **variables: str) -> Executable:
        """The same with more environment variables."""
        return replace(self, environment=self.environment | variables)

    def __call__(
        self,
        *arguments: object,
        cwd: Path | None = None,
        timeout: float = SECONDS,
        before: Callable[[], object] | None = None,
        command: tuple[str, ...] = (),
    ) -> Ended:
        """Run `medfm ARGUMENTS` to its end; `before` is called in the child, before it starts.

        The verbs that import much run in a fork (see warm.py) where nothing asks for a fresh
        interpreter: `before`, `command`, or what Python reads when it starts.
        """
        if before is None and not command and warm.suits(arguments, self.environment, INSIDE):
            words = [str(argument) for argument in arguments]
            where, limit = cwd or self.home, PATIENCE * timeout
            return Ended(*warm.call(words, cwd=where, environment=self.environment, timeout=limit))
        done = subprocess.run(
            [*(command or self.command), *map(str, arguments)],
            cwd=cwd or self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE * timeout,
            preexec_fn=before,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: object, cwd: Path | None = None) -> subprocess.Popen[str]:
        """Start `medfm ARGUMENTS` and go on; end it with `ended`."""
        return subprocess.Popen(
            [*self.command, *map(str, arguments)],
            cwd=cwd or self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # under nohup it would be ignored, and inherited so
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )

    @property
    def command(self) -> tuple[str, ...]:
        """The script that pip installed, or the module where there is no script."""
        return (str(MEDFM),) if MEDFM.is_file() else (sys.executable, "-m", "medfm_cli")


def ended(process: subprocess.Popen[str], *, timeout: float = SECONDS) -> Ended:
    """Wait for a started process; one that does not end is killed and fails the test."""
    try:
        stdout, stderr = process.communicate(timeout=PATIENCE * timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        raise AssertionError(f"it did not end in {PATIENCE * timeout} s: {stderr}") from None
    return Ended(process.returncode, stdout, stderr)


def stopped(process: subprocess.Popen[str], *, by: signal.Signals) -> Ended:
    """Send a signal and wait for the end."""
    process.send_signal(by)
    return ended(process)


def until(condition: Callable[[], Any], *, timeout: float = SECONDS) -> Any:
    """Wait until `condition` gives something true, and give that."""
    end = time.monotonic() + PATIENCE * timeout
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"it did not happen in {PATIENCE * timeout} s")


def snapshot(root: Path) -> dict[str, tuple[str, int, bytes | str]]:
    """Every path under `root` with its type, mode and content: equal when nothing was touched."""
    found: dict[str, tuple[str, int, bytes | str]] = {}
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        if path.is_symlink():
            found[str(path)] = ("link", mode, str(path.readlink()))
        elif path.is_file():
            found[str(path)] = ("file", mode, path.read_bytes())
        else:
            found[str(path)] = ("folder", mode, "")
    return found


def clean_environment(home: Path) -> dict[str, str]:
    """A small, fixed environment: what a cron job has, and no way out to the network."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "TMPDIR", "LD_LIBRARY_PATH")
        if name in os.environ
    }
    return kept | {
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "MPLCONFIGDIR": str(home / "matplotlib"),
        "PYTHONPATH": str(INSIDE),
        "http_proxy": NOWHERE,
        "https_proxy": NOWHERE,
    }
