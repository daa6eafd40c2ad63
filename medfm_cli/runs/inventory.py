"""The files of a finished run's artefacts, written down so that a later change of one is found.

Two looks: `stat` alone, where size and times are as they were, and the bytes where they are not.
Texts for people (`*.md`) are theirs to complete and no part of it.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from medfm_cli.runs.atomic import write_text

INVENTORY = "artefacts.json"
_CHUNK = 1 << 20
_FOR_PEOPLE = ".md"


def write_inventory(folder: Path, artefacts: Iterable[str]) -> None:
    """Write down size, times and CRC-32 of every file of the artefacts in a run directory.

    Args:
        folder: the run directory.
        artefacts: paths relative to it. Nothing is written where there are none.
    """
    files = {
        name: [*_stamp(folder / name), _crc32(folder / name)] for name in _files(folder, artefacts)
    }
    if files:
        _write(folder, files)


def changed_file(folder: Path, *, all_bytes: bool = False) -> str | None:
    """The first file of the artefacts that is not as it was written, relative to the run directory.

    A file whose size and times are as they were is trusted, unless `all_bytes`. One with other
    times and the same bytes, such as a copy, is whole; its times are written down.

    Returns:
        None when all are whole, and where nothing was written down.
    """
    known = _read(folder)
    seen = dict(known)
    for name, (*stamp, crc32) in known.items():
        try:
            now = _stamp(folder / name)
            if now == stamp and not all_bytes:
                continue
            if now[0] != stamp[0] or _crc32(folder / name) != crc32:
                return name
        except OSError:
            return name
        seen[name] = [*now, crc32]
    if seen != known:
        with suppress(OSError):  # of another user, or on a disk that is only read
            _write(folder, seen)
    return None


def _files(folder: Path, artefacts: Iterable[str]) -> Iterator[str]:
    for artefact in sorted(artefacts):
        root = folder / artefact
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.is_file() and not path.is_symlink() and path.suffix != _FOR_PEOPLE:
                yield path.relative_to(folder).as_posix()


def _stamp(path: Path) -> list[int]:
    """Size in bytes, and times of the last change of content and of status in nanoseconds."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _crc32(path: Path) -> int:
    value = 0
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        while chunk := file.read(_CHUNK):
            value = zlib.crc32(chunk, value)
    return value


def _write(folder: Path, files: Mapping[str, list[int]]) -> None:
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(row)}" for name, row in files.items())
    write_text(folder / INVENTORY, f"{{\n{lines}\n}}\n")


def _read(folder: Path) -> dict[str, list[int]]:
    try:
        files: dict[str, list[int]] = json.loads((folder / INVENTORY).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return files
