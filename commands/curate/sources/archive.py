"""A ZIP or tar archive: unpacked into the run directory, under harmless names or numbers.

So nothing in an archive can be written anywhere else. One whose names try to climb out of its
folder is refused as a whole all the same: it is broken or hostile.
"""

from __future__ import annotations

import json
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from medfm_cli.commands.curate.sources.base import (
    HIDDEN,
    File,
    Listing,
    fingerprint,
    printable,
    stamp_of,
)
from medfm_cli.commands.curate.sources.places import places
from medfm_cli.errors import DataError
from medfm_cli.runs.atomic import write_json

INDEX = "index.json"
CHUNK = 1 << 20
MOST_GROWTH = 200
"""How many times its size an archive of scans may unpack to; more packs but zeros."""
SMALL = 1 << 30
"""What any archive may unpack to, in bytes."""
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError)
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ")


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    refusal: str
    handle: Any


def is_archive(path: Path, head: bytes) -> bool:
    """Whether a file is a ZIP (and no NumPy archive) or a tar, plain or compressed."""
    if head.startswith(b"PK\x03\x04"):
        length = int.from_bytes(head[26:28], "little")
        return not head[30 : 30 + length].endswith(b".npy")
    if head[257:262] == b"ustar":
        return True
    return head.startswith(_PACKED) and tarfile.is_tarfile(path)


class ArchiveSource:
    """The files inside an archive; links, devices and hidden files are left out."""

    public = False
    modality = ""
    licences: tuple[str, ...] = ()

    def __init__(self, path: Path, *, by_content: bool = False) -> None:
        self.path = path
        self.by_content = by_content
        self.classes: dict[str, str] = {}
        with path.open("rb") as file:
            self._is_zip = file.read(2) == b"PK"

    def fingerprint(self) -> str:
        """Changes with the archive's size, and time or content."""
        status = self.path.stat()
        stamp = stamp_of(str(self.path), status, by_content=self.by_content)
        return fingerprint([(self.path.name, status.st_size, stamp)])

    def survey(self) -> Listing:
        """What is inside, by the archive's own table.

        Raises:
            DataError: it is damaged, encrypted, or climbs out of its folder.
        """
        members = self._members()
        files = [File(m.name, "", m.size) for m in members if not m.refusal]
        return self._listing(files, members)

    def open(self, work: Path) -> Listing:
        """Unpack under `work`; an interrupted unpacking is done again.

        Raises:
            DataError: as `survey`.
            OSError: the disk is full.
        """
        folder = work / "unpacked"
        members = self._members()
        accepted = [member for member in members if not member.refusal]
        where = places([member.name for member in accepted])
        sizes = [[m.name, m.size, place] for m, place in zip(accepted, where, strict=True)]
        index = folder / INDEX
        if not (index.is_file() and json.loads(index.read_text("utf-8")) == sizes):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for path in {(folder / place).parent for place in where}:
                path.mkdir(parents=True, exist_ok=True)
            self._unpack(accepted, [folder / place for place in where])
            write_json(index, sizes)
        files = [
            File(member.name, str(folder / place), member.size)
            for member, place in zip(accepted, where, strict=True)
        ]
        return self._listing(files, members)

    def _listing(self, files: list[File], members: list[_Member]) -> Listing:
        left_out = sorted((m.name, m.refusal) for m in members if m.refusal)
        if not files:
            raise DataError(f"the archive '{self.path}' holds no files to read")
        return Listing(sorted(files, key=lambda file: file.name), left_out, self.path.parent)

    def _members(self) -> list[_Member]:
        members: list[_Member] = []
        total = 0
        most = max(SMALL, MOST_GROWTH * self.path.stat().st_size)
        try:
            for member in self._zip() if self._is_zip else self._tar():
                members.append(member)
                total += member.size
                if total > most:  # told before the next is looked for: a tar is unpacked for that
                    raise self._bomb()
        except _BROKEN:
            raise self._damaged() from None
        for member in members:
            self._check(member)
        return _once(members)

    def _zip(self) -> Iterator[_Member]:
        with zipfile.ZipFile(self.path) as archive:
            for info in archive.infolist():
                if info.flag_bits & 1:
                    raise DataError(
                        f"the archive '{self.path}' is encrypted", hint="unpack it yourself first"
                    )
                if not info.is_dir():
                    link = info.external_attr >> 28 == 0o12
                    name = printable(info.filename.replace("\\", "/"))
                    yield _Member(name, info.file_size, "a link" if link else _refusal(name), info)

    def _tar(self) -> Iterator[_Member]:
        with tarfile.open(self.path) as archive:
            for info in archive:
                if info.isdir():
                    continue
                refusal = _refusal(info.name)
                if info.issym() or info.islnk():
                    refusal = "a link"
                    target = PurePosixPath(info.name).parent / info.linkname
                    base = target if info.issym() else PurePosixPath(info.linkname)
                    self._check(_Member(printable(str(base)), 0, "", None))
                elif not info.isreg():
                    refusal = "no regular file"
                yield _Member(printable(info.name), info.size, refusal, info.name)

    def _check(self, member: _Member) -> None:
        """Refuse the archive for a name that leads out of its folder."""
        depth = 0
        for part in member.name.split("/"):
            depth += -1 if part == ".." else 0 if part in ("", ".") else 1
            if depth < 0:
                break
        absolute = member.name.startswith("/") or re.match(r"[A-Za-z]:[/\\]", member.name)
        if depth < 0 or absolute:
            raise DataError(
                f"the archive '{self.path}' is refused: it holds a path that climbs out of its "
                f"folder ({member.name!r})",
                hint="request a clean archive from its author",
            )

    def _unpack(self, members: list[_Member], paths: list[Path]) -> None:
        try:
            if self._is_zip:
                with zipfile.ZipFile(self.path) as archive:
                    for member, path in zip(members, paths, strict=True):
                        with archive.open(member.handle) as stream:
                            _copy(stream, path, member.size)
                return
            left = {member.handle: path for member, path in zip(members, paths, strict=True)}
            with tarfile.open(self.path) as tar:  # in the archive's order: it may be one stream
                for info in tar:
                    place = left.pop(info.name, None) if info.isreg() else None
                    inside = tar.extractfile(info) if place else None
                    if place and inside is not None:
                        with inside:
                            _copy(inside, place, info.size)
        except _BROKEN:
            raise self._damaged() from None

    def _bomb(self) -> DataError:
        return DataError(
            f"the archive '{self.path}' is refused: it unpacks to more than {MOST_GROWTH} times "
            "its size",
            hint="unpack it yourself if you trust it, and set source to the folder",
        )

    def _damaged(self) -> DataError:
        return DataError(
            f"the archive '{self.path}' is damaged or cut short", hint="copy it again in full"
        )


def _refusal(name: str) -> str:
    parts = PurePosixPath(name).parts
    hidden = any(part in HIDDEN or (part.startswith(".") and part.strip(".")) for part in parts)
    return "hidden" if hidden else ""


def _once(members: list[_Member]) -> list[_Member]:
    """The first file of every name; later ones of the same name are left out."""
    seen: set[str] = set()
    once = []
    for member in members:
        again = member.name in seen and not member.refusal
        refusal = "a second file of this name in the archive" if again else member.refusal
        once.append(_Member(member.name, member.size, refusal, member.handle))
        seen.add(member.name)
    return once


def _copy(stream: IO[bytes], path: Path, size: int) -> None:
    """Write a member, and no more bytes than the archive's table says it has."""
    with path.open("wb") as file:
        left = size
        while left and (chunk := stream.read(min(CHUNK, left))):
            file.write(chunk)
            left -= len(chunk)
    if left:
        raise EOFError
