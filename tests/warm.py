"""`medfm` in processes that are forked from one which has imported its libraries already.

Importing torch, timm and matplotlib costs more processor time than most trainings of the tests.
A fork starts in milliseconds and is a process of its own in every other way: arguments,
environment, working directory, exit code, signals.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["warm_imports"])
VERBS = frozenset({"curate", "pretrain", "finetune", "eval", "export", "run"})
"""The verbs that are worth it."""
_AT_START = ("PYTHON", "LD_", "MEDFM_TEST_VERBS", "MEDFM_WORKER")
"""Variables that Python or the test verbs read once, when the interpreter starts."""


def suits(arguments: tuple[object, ...], environment: Mapping[str, str], inside: Path) -> bool:
    """Whether a fork does the same as a fresh interpreter would."""
    special = {name for name in environment if name.startswith(_AT_START)}
    usual = special <= {"PYTHONPATH", "LD_LIBRARY_PATH"}
    return (
        bool(arguments)
        and arguments[0] in VERBS
        and usual
        and (environment.get("PYTHONPATH") == str(inside))
    )


def call(
    arguments: list[str], *, cwd: Path, environment: Mapping[str, str], timeout: float
) -> tuple[int, str, str]:
    """Run `medfm ARGUMENTS`: exit code (negative: killed by a signal), stdout, stderr.

    Raises:
        subprocess.TimeoutExpired: it did not end; it is killed.
    """
    with tempfile.TemporaryDirectory(prefix="warm-") as place:
        streams = (Path(place) / "stdout", Path(place) / "stderr")
        process = CONTEXT.Process(target=_be, args=(arguments, cwd, dict(environment), streams))
        process.start()
        process.join(timeout)
        hangs = process.is_alive()
        process.kill()
        process.join()
        if hangs:
            raise subprocess.TimeoutExpired(["medfm", *arguments], timeout)
        code = process.exitcode
        assert code is not None
        stdout, stderr = (path.read_text("utf-8", "replace") for path in streams)
        return code, stdout, stderr


def _be(
    arguments: list[str], cwd: Path, environment: dict[str, str], streams: tuple[Path, Path]
) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for target, path in ((0, Path(os.devnull)), (1, streams[0]), (2, streams[1])):
        source = os.open(path, os.O_RDONLY if target == 0 else os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(source, target)
        os.close(source)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout, sys.stderr = (
        open(target, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
        for target in (1, 2)
    )
    sys.argv = ["medfm", *arguments]

    from medfm_cli.__main__ import main

    main()
