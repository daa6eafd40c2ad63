"""What every source gives: a list of files that is cheap to make, and the files themselves."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

HIDDEN = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
"""Names that file managers leave behind; they and names with a leading dot are not read."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a source.

    Attributes:
        name: how the source names it: a path with `/`, relative to the source.
        path: where it is.
        size: in bytes.
        stamp: time of its last change in nanoseconds, or 63 bits of a hash of its content; 0 where
            nothing is known of the content.
    """

    name: str
    path: str
    size: int
    stamp: int = 0


def stamp_of(path: str, status: os.stat_result, *, by_content: bool) -> int:
    """What shows whether a file changed: the time of its last change, or a hash of its content.

    Raises:
        OSError: its content is needed and the disk fails.
    """
    if not by_content:
        return status.st_mtime_ns
    with suppress(PermissionError):  # it is refused when it is read
        return _content(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return 0


@lru_cache(maxsize=1 << 20)
def _content(path: str, _size: int, _changed: int, _moved: int) -> int:
    """63 bits of the file's sha256, not 0; kept while the process lives: a plan lists twice."""
    with Path(path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return int.from_bytes(digest[:8]) >> 1 or 1


@dataclass(frozen=True)
class Listing:
    """The files of a source in a fixed order, and what was not taken.

    Attributes:
        files: sorted by name.
        left_out: name and reason of everything that was seen and is not read.
        folder: relative names in a recipe are looked for here first.
        tables: files that are named by the recipe's owner as tables, not images.
    """

    files: list[File]
    left_out: list[tuple[str, str]] = field(default_factory=list)
    folder: Path | None = None

    def fingerprint(self) -> str:
        """The sha256 (hex) over names, sizes and times."""
        return fingerprint((f.name, f.size, f.stamp) for f in self.files)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was seen in a source and is not read, and why."""

    name: str
    reason: str


class Source(Protocol):
    """A source as the recipe and the engine see it.

    `public` data need no secret to hide whose they are. `modality`, `licences` and `classes`
    (raw label → name) are what is known of the source beforehand.
    """

    public: bool
    modality: str
    licences: tuple[str, ...]
    classes: dict[str, str]

    def fingerprint(self) -> str:
        """A hash that changes when the content does; made without reading the files."""

    def survey(self) -> Listing:
        """What would be read, without writing or fetching anything."""

    def open(self, work: Path) -> Listing:
        """The files, fetched or unpacked under `work` where they have to be."""


def walk(source: Source, work: Path | None) -> Iterator[File | LeftOut]:
    """Everything in a source as it is found, in no order, and without a list of it all.

    Args:
        source: where to look.
        work: where to fetch or unpack what has to be; None only looks.

    Raises:
        DataError: there is nothing to read.
        OSError: the disk is full.
    """
    streamed: Callable[[], Iterator[File | LeftOut]] | None = getattr(source, "walk", None)
    if streamed is not None:
        yield from streamed()
        return
    listing = source.survey() if work is None else source.open(work)
    yield from listing.files
    yield from (LeftOut(name, reason) for name, reason in listing.left_out)


def unordered_fingerprint(files: Iterable[File]) -> str:
    """A hash (hex) over names, sizes and times that does not depend on the order, and after a
    dash the number of files."""
    total = count = 0
    for file in files:
        count += 1
        total += int(fingerprint([(file.name, file.size, file.stamp)]), 16)
    return f"{hashlib.sha256(f'{total % (1 << 256):064x}'.encode()).hexdigest()}-{count}"


def fingerprint(values: Iterable[tuple[str, int, int]]) -> str:
    """The sha256 (hex) over names, sizes and times, in order."""
    digest = hashlib.sha256()
    for name, size, stamp in values:
        digest.update(f"{name!r} {size} {stamp}\n".encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


def printable(name: str) -> str:
    """A file name as text that every encoding takes: bytes that are no UTF-8 are escaped."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
