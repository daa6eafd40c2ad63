"""A tar as a stream of samples: consecutive members of one name, by their endings.

Nothing is unpacked to disk, links are never followed, and what is too large is passed over unread.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO

MARK = 512
"""Samples from one remembered place in a tar to the next."""
LARGEST = 512 << 20
"""Largest sample, with all its members, that is read, in bytes."""
MOST = 64
"""Most members of a sample."""
BLOCK = tarfile.BLOCKSIZE
PROBE = 2000
"""Members that are looked at to tell whether names hold dots."""
_NUMBERED = re.compile(r"\d+\.(png|jpe?g|webp|bmp|tiff?)")
_COMPOUND = re.compile(
    rf"(mask|seg|segmentation)\.(png|npy)|row\.json|[a-z0-9]+\.gz|{_NUMBERED.pattern}"
)
"""Endings with a dot that belong to a sample: its mask, its further images, a packed file."""
_DOTTED = re.compile(
    r"(.+?)\.((?:mask|seg|segmentation)\.(?:png|npy)|row\.json|[a-z0-9]+(?:\.gz)?)", re.IGNORECASE
)


@dataclass
class Members:
    """The members of one sample, by ending; `wrong` says why it is none.

    Attributes:
        offset: the byte of its first member's header.
        key: the name that its members share.
        data: ending (`jpg`, `seg.png`) → content.
        endings: all endings, also of what is not read.
        size: of all members, in bytes.
    """

    offset: int
    key: str
    data: dict[str, bytes] = field(default_factory=dict)
    endings: set[str] = field(default_factory=set)
    size: int = 0
    wrong: str = ""


def samples(path: Path, first: int = 0, last: int | None = None) -> Iterator[Members]:
    """The samples from number `first` up to `last`, counted from 0, with their contents."""
    before, offset = _nearest(path, first)
    for number, sample in enumerate(_walk(path, offset, from_=first - before), before):
        if last is not None and number >= last:
            return
        if number >= first:
            yield sample


def endings_in(path: Path) -> Iterator[set[str]]:
    """The endings of the members of each sample, nothing being read of them."""
    for sample in _walk(path, from_=None):
        yield sample.endings


def count(path: Path) -> int:
    """How many samples there are, the broken ones too; remembers where they lie."""
    status = path.stat()
    return _marks(path, status.st_size, status.st_mtime_ns)[0]


def split_name(name: str, *, dotted: bool = False) -> tuple[str, str]:
    """The key and the ending of a member, as WebDataset has them: cut at the first dot.

    With `dotted` the names hold dots themselves (`1.2.840.dcm`, `case0.slice1.png`): cut at the
    last dot that begins an ending.
    """
    folder, slash, last = name.rpartition("/")
    stem, _, ending = last.partition(".")
    if dotted and (found := _DOTTED.fullmatch(last)):
        stem, ending = found[1], found[2]
    return folder + slash + stem, ending.lower()


@lru_cache(maxsize=16)
def _dotted(path: Path, _size: int, _time: int) -> bool:
    """Whether names in the tar hold dots that begin no ending, by its first members."""
    keys: dict[str, set[str]] = {}
    with path.open("rb") as file:
        for _, info, _ in islice(_members(file), PROBE):
            if isinstance(info, str):
                break
            key, ending = split_name(info.name)
            if "." in ending and not _COMPOUND.fullmatch(ending):
                return True
            keys.setdefault(key, set()).add(ending)
    numbered = all(_NUMBERED.fullmatch(one) for endings in keys.values() for one in endings)
    return numbered and any(len(endings) > 1 for endings in keys.values())


def _walk(path: Path, offset: int = 0, *, from_: int | None = 0) -> Iterator[Members]:
    """The samples from a byte on; their contents from number `from_` on (None: never)."""
    status = path.stat()
    dotted = _dotted(path, status.st_size, status.st_mtime_ns)
    with path.open("rb") as file:
        file.seek(offset)
        sample: Members | None = None
        number = -1
        for start, info, member in _members(file):
            if isinstance(info, str):
                if sample is not None:
                    yield sample
                yield Members(start, "", wrong=info)
                return
            key, ending = split_name(info.name, dotted=dotted)
            if sample is None or key != sample.key:
                if sample is not None:
                    yield sample
                sample = Members(start, key)
                number += 1
            _add(sample, info, ending, member if from_ is not None and number >= from_ else None)
        if sample is not None:
            yield sample


def _add(sample: Members, info: tarfile.TarInfo, ending: str, tar: tarfile.TarFile | None) -> None:
    """Put a member into its sample; without `tar` its content is not read."""
    sample.size += info.size
    sample.endings.add(ending)
    if not info.isreg() or info.issparse():
        sample.wrong = "a link or device in the archive, which is never followed"
    elif not ending:
        sample.wrong = "a member without an ending"
    elif sample.size > LARGEST or len(sample.data) >= MOST:
        sample.wrong = f"a sample of more than {LARGEST >> 20} MB or {MOST} members"
        sample.data.clear()
    elif ending in sample.data:
        sample.wrong = f"two members with the ending {ending}"
    if sample.wrong or tar is None:
        return
    try:
        stream = tar.extractfile(info)
        sample.data[ending] = stream.read() if stream else b""
    except (tarfile.TarError, OSError, EOFError):
        sample.wrong = "the archive breaks off in it"
    else:
        if len(sample.data[ending]) != info.size:
            sample.wrong = "the archive breaks off in it"


def _members(
    file: IO[bytes],
) -> Iterator[tuple[int, tarfile.TarInfo | str, tarfile.TarFile | None]]:
    """Every member that is a file, with the byte of its header; what is wrong comes last."""
    start = file.tell()
    try:
        tar = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - it holds nothing open
        while (info := tar.next()) is not None:
            start = info.offset
            tar.members.clear()  # type: ignore[attr-defined]  # else it remembers all of them
            if not info.isdir():
                yield start, info, tar
        start = tar.offset
    except (tarfile.TarError, OSError, EOFError, ValueError):
        yield start, "the archive is damaged from here on", None
        return
    file.seek(start)
    end = file.read(BLOCK)
    if end.strip(b"\0") or len(end) < BLOCK:
        yield start, "the archive breaks off, or is damaged from here on", None


@lru_cache(maxsize=16)
def _marks(path: Path, _size: int, _time: int) -> tuple[int, list[tuple[int, int]]]:
    """How many samples there are; of every `MARK`th its number and its byte."""
    marks = [(0, 0)]
    number = 0
    for number, sample in enumerate(_walk(path, from_=None), 1):
        if number > 1 and (number - 1) % MARK == 0:
            marks.append((number - 1, sample.offset))
    return number, marks


def _nearest(path: Path, first: int) -> tuple[int, int]:
    if first < MARK:
        return 0, 0
    status = path.stat()
    marks = _marks(path, status.st_size, status.st_mtime_ns)[1]
    return marks[min(first // MARK, len(marks) - 1)]
