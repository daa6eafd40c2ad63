"""What a command prints on stdout with --json, and how its errors end the process."""

from __future__ import annotations

import errno
import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from medfm_cli.errors import EnvironmentProblem, ExitCode, MedfmError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medfm_cli.console import Console

printed = False

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}


def emit(document: dict[str, Any]) -> None:
    """Print the one JSON document of this command."""
    global printed
    printed = True
    sys.stdout.write(json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


@contextmanager
def guarded(console: Console, *, as_json: bool) -> Iterator[None]:
    """Turn every error into a sentence and an exit code; a bug into a report that names no data."""
    try:
        yield
        sys.stdout.flush()
    except MedfmError as error:
        _end(console, error, as_json)
    except MemoryError:
        problem = EnvironmentProblem(
            "the machine ran out of memory", hint="use a smaller batch, or fewer workers"
        )
        _end(console, problem, as_json)
    except OSError as error:
        problem_ = of_os_error(error)
        if isinstance(error, BrokenPipeError) and _reader_gone():
            _leave(False, int(ExitCode.READER_GONE), {})
        elif problem_ is None:
            _bug(console, error, as_json)
        else:
            _end(console, problem_, as_json)
    except KeyboardInterrupt:
        from medfm_cli.errors import Stopped

        _end(console, Stopped(2), as_json)
    except Exception as error:
        _bug(console, error, as_json)


def of_os_error(error: OSError) -> EnvironmentProblem | None:
    """The problem behind an operating system error that is no bug of ours, else None."""
    where = f" at '{error.filename}'" if error.filename else ""
    if error.errno in _NO_ROOM:
        return EnvironmentProblem(
            f"there is no room left to write{where}",
            hint="free some space, then run the same command again to continue",
        )
    if error.errno in _NO_RIGHT:
        return EnvironmentProblem(
            f"there is no permission to read or write{where}",
            hint="choose another --out, or change the permissions",
        )
    if error.errno == errno.ESTALE:
        return EnvironmentProblem(
            "files of the source that were listed are no longer there",
            hint="connect the source again, then run the same command: it continues",
        )
    return None


def failure(error: MedfmError) -> dict[str, Any]:
    """An error as JSON values."""
    document: dict[str, Any] = {"kind": error.kind, "message": error.message, "hint": error.hint}
    if isinstance(error, RecipeError):
        document["problems"] = [
            {
                "file": p.place.source,
                "line": p.place.line or None,
                "column": p.place.column or None,
                "key": p.key,
                "message": p.message,
                "fix": p.fix or None,
            }
            for p in error.problems
        ]
    return document


def _end(console: Console, error: MedfmError, as_json: bool) -> None:
    if isinstance(error, RecipeError):
        for problem in error.problems:
            console.error(str(problem))
    else:
        console.error(error.message, error.hint)
    _leave(as_json, int(error.exit_code), failure(error))


def _bug(console: Console, error: Exception, as_json: bool) -> None:
    """Write a traceback without local variables or messages that could hold patient data."""
    import tempfile
    import traceback
    from pathlib import Path

    from medfm_cli.runs.atomic import write_text

    lines = traceback.format_tb(error.__traceback__)
    text = "".join(lines) + f"{type(error).__name__}\n"
    try:
        home = console.run_dir or Path(tempfile.mkdtemp(prefix="medfm-bug-"))
        path = home / "traceback.txt"
        write_text(path, text)
        where = f"the traceback is in '{path}'"
    except OSError:
        where = "the traceback could not be written:\n" + "".join(lines)
    kind = type(error).__name__
    hint = "please report it, with that file (it may name files of yours: read it first)"
    console.error(f"this is a bug in medfm ({kind}); {where}", hint)
    document = {"kind": "bug", "message": f"{kind}; {where}", "hint": hint}
    _leave(as_json, int(ExitCode.BUG), document)


def _leave(as_json: bool, code: int, error: dict[str, Any]) -> None:
    status = "stopped" if error.get("kind") == "stopped" else "failed"
    try:
        if as_json:
            emit({"status": status, "exit_code": code, "error": error})
        sys.stdout.flush()
    except OSError:  # nobody reads it, or there is no room for it; Python must not try again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(code)


def _reader_gone() -> bool:
    """Whether the process that read our stdout went away, as in `medfm recipes ls | head -1`."""
    import select

    watch = select.poll()
    watch.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in watch.poll(0))
