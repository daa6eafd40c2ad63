"""Files that are either there whole or not there at all: write aside, fsync, rename."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfm_cli.errors import EnvironmentProblem

if TYPE_CHECKING:
    from collections.abc import Iterator


def write_bytes(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write `data` to `path` atomically. Raises OSError, leaving what was there."""
    with aside(path) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to `path` atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON that people can read, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def no_link(path: str, flags: int) -> int:
    """An opener for files that are written in place: a link to another file is not followed.

    Raises:
        EnvironmentProblem: what lies there is not a regular file.
        OSError: it cannot be opened.
    """
    problem = EnvironmentProblem(
        f"'{path}' is not a regular file", hint="remove it, or choose another --out"
    )
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o644)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise problem from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise problem
    return descriptor


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; renamed onto it at the end, removed on an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = os.urandom(4).hex()  # another machine may write it too, in a process of our number
    temporary = path.with_name(f".{path.name}.{own}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def replace_dir(path: Path) -> Iterator[Path]:
    """A fresh folder beside `path` to fill; its files are synced and it takes the place of `path`.

    A folder cannot be swapped in one step: between the two renames a crash leaves the old one
    under `.<name>.old`, which the next call puts back first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = under_way(path), path.with_name(f".{path.name}.old")
    if old.exists() and not path.exists():
        old.replace(path)
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir()
    try:
        yield fresh
        _sync_tree(fresh)
        if path.exists():
            path.replace(old)
        fresh.replace(path)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    sync_folder(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def under_way(path: Path) -> Path:
    """The folder that `replace_dir` gives for `path`: another process may fill it too."""
    return path.with_name(f".{path.name}.new")


def point(link: Path, target: Path) -> None:
    """Make `link` a relative symbolic link to `target`, replacing an older link atomically.

    Something at `link` that is no link is left alone.
    """
    if link.exists() and not link.is_symlink():
        return
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(os.path.relpath(target, link.parent))
    temporary.replace(link)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    for path in [*(p for p in folder.rglob("*") if p.is_dir()), folder]:
        sync_folder(path)
