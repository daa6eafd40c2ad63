"""What reading leaves on disk: for every unit of files its rows and the PNGs of its images.

A unit is written whole or not at all, so that a killed run finds its finished units again. Rows
hold pseudonyms only; no identifier of a patient is ever written here.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any, Self

from medfm_cli.runs.atomic import sync_folder, write_text

FORMAT = 1
_REPEATED = ("file_sha", "facts", "subject", "study", "site", "modality", "anatomy", "split")
"""Texts that thousands of rows share: kept once in memory."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file to read, or the range `first` … `last` of the images in one that holds thousands.

    `file` is the file's number in the listing; several entries may share it.
    """

    index: int
    file: int
    name: str
    path: str
    size: int
    first: int = -1
    last: int = -1


@dataclass(frozen=True, slots=True)
class Unit:
    """A few files that one process reads in one go; `skip` are those that killed a process."""

    number: int
    entries: tuple[Entry, ...]
    skip: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tile:
    """A PNG in the spool: its corner in the image and size in pixels, its place in bytes."""

    y: int
    x: int
    height: int
    width: int
    channels: int
    offset: int
    length: int


@dataclass(slots=True)
class Found:
    """An image that was read and is good, with what its own file says of it.

    `subject`, `study` and `site` are pseudonyms; `facts` is a JSON object.
    """

    entry: int
    frame: int
    part: str
    file_sha: str
    pixels_sha: str
    height: int
    width: int
    tiles: list[Tile]
    facts: str
    subject: str | None
    study: str | None
    site: str | None
    modality: str
    anatomy: str
    label: str | None
    labels: list[str] | None
    split: str | None
    notes: list[str]
    unit: int = -1


@dataclass(frozen=True, slots=True)
class Refused:
    """A file, or the rest of one from `frame` on, that gives no image."""

    entry: int
    frame: int
    file_sha: str
    step: str
    reason: str


class Spool:
    """The folder of finished units."""

    def __init__(self, folder: Path, mark: str) -> None:
        """`mark` names the settings: units made under others do not count."""
        self.folder = folder
        self.mark = mark

    def rows_path(self, number: int) -> Path:
        """The rows of a unit."""
        return self.folder / f"{number:06d}.json"

    def pixels_path(self, number: int) -> Path:
        """The PNGs of a unit, one after the other."""
        return self.folder / f"{number:06d}.bin"

    def now_path(self, number: int) -> Path:
        """Which file a process is at, while it works on a unit."""
        return self.folder / f"{number:06d}.now"

    def is_done(self, number: int, *, packed: bool) -> bool:
        """Whether a unit is finished; once all is packed its pixels are not needed any more."""
        try:
            head = json.loads(self.rows_path(number).read_text("utf-8"))
            if head["format"] != FORMAT or head["mark"] != self.mark:
                return False
            return packed or self.pixels_path(number).stat().st_size == head["bytes"]
        except (OSError, ValueError, KeyError):
            return False

    def load(self, number: int) -> tuple[list[Found], list[Refused]]:
        """The rows of a finished unit."""
        unit = json.loads(self.rows_path(number).read_text("utf-8"))
        found = [_found(values, number) for values in unit["found"]]
        return found, [Refused(*values) for values in unit["refused"]]

    def drop_pixels(self) -> None:
        """Remove all PNGs: they are in the shards now."""
        for path in self.folder.glob("*.bin*"):
            path.unlink()


class UnitWriter:
    """Writes one unit; leaving the `with` block by an error leaves nothing."""

    def __init__(self, spool: Spool, number: int) -> None:
        self.spool = spool
        self.number = number
        self.found: list[Found] = []
        self.refused: list[Refused] = []
        self.seen: dict[str, list[Tile]] = {}
        """Tiles of the pictures of this unit by their sha256: copies need not be written again."""
        self._temporary = spool.folder / f"{number:06d}.bin.{os.getpid()}.tmp"
        self._file = self._temporary.open("wb")

    def pixels(self, png: bytes) -> int:
        """Append a PNG; gives its offset."""
        offset = self._file.tell()
        self._file.write(png)
        return offset

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            with suppress(OSError):  # closing writes what is buffered: the disk may be full
                self._file.close()
            self._temporary.unlink(missing_ok=True)

    def _finish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        size = self._file.tell()
        self._temporary.replace(self.spool.pixels_path(self.number))
        sync_folder(self.spool.folder)
        write_text(self.spool.rows_path(self.number), self._rows(size))

    def _rows(self, size: int) -> str:
        unit: dict[str, Any] = {
            "format": FORMAT,
            "mark": self.spool.mark,
            "bytes": size,
            "found": [astuple(row) for row in self.found],
            "refused": [astuple(row) for row in self.refused],
        }
        return json.dumps(unit, ensure_ascii=True, separators=(",", ":"))


def _found(values: list[Any], number: int) -> Found:
    row = Found(*values)
    row.tiles = [Tile(*tile) for tile in row.tiles]  # type: ignore[misc]
    row.unit = number
    for name in _REPEATED:
        if (value := getattr(row, name)) is not None:
            setattr(row, name, sys.intern(value))
    return row
