"""Files that are one sample together: a series of slices, a header with its data, a scan's mask.

The listing is gone through twice. First every file that may belong with others is looked at (its
first bytes, or its header), and what was seen is kept in a temporary database that spills to disk.
Then the groups are given out in the order of the listing. Where no reader knows of files that
belong together, and no volumes are wanted, nothing is opened at all.

Which file may be the segmentation of which scan is proposed by names (`images/017.nii.gz` and
`labels/017.nii.gz`, `017.nii.gz` and `017_seg.nii.gz`, `ct.nii` and `mask.nii` alone in a folder);
what the files hold decides.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import closing
from dataclasses import astuple, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from medfm_cli.commands.curate.reading.file_groups import FileGroups
from medfm_cli.commands.curate.sources import File
from medfm_cli.readers import HEAD, Reader, Unreadable, candidate_readers, find_reader, sniff

CHUNK = 128
"""Files that are looked at in one go."""
AHEAD = 16
"""Chunks that are handed out before the first of them is back."""
LARGEST_HEADER = 1 << 18
"""A file that names others is text or a header of fixed size: larger ones are not opened."""
_MASK = re.compile(
    r"segs?|segm|segmentations?|label(s|l?ed)?|masks?|rois?|annotations?|gt|(ground)?truth"
)
_SCAN = re.compile(r"images?|imgs?|scans?|volumes?|vols?|raw|data")
_STAGES = re.compile(r"(images?|labels?|masks?|segs?)(tr|ts|train|val|test)")
_ENDINGS = re.compile(r"(\.(?:nii|hdr))(?:\.gz)?$", re.IGNORECASE)
_WORDS = re.compile(r"[^0-9a-z]+")


@dataclass(frozen=True, slots=True)
class Group:
    """Files that are read together, by their numbers in the listing.

    Attributes:
        main: the file that is read, or the first of those that are.
        others: the rest, ascending.
        kind: `file` when there are no others; `companions` when the reader of the main file finds
            them by itself; `series` and `mask` when all of them go to its `read_group`.
    """

    main: int
    others: tuple[int, ...] = ()
    kind: str = "file"

    @property
    def numbers(self) -> tuple[int, ...]:
        """All of them, the main file first."""
        return (self.main, *self.others)


def group(
    files: Iterable[File],
    *,
    whole: bool,
    readers: Collection[str] = (),
    words: Collection[str] = (),
    executor: Executor | None = None,
    between: Callable[[int], None] | None = None,
) -> Iterator[Group]:
    """Every file of a listing once, alone or with those it belongs to, by ascending main file.

    Args:
        files: in the order of the listing; gone through more than once, so not an iterator.
        whole: whether slices are put together to volumes.
        readers, words: as for `readers.sniff`.
        executor: does the looking in other processes; without one it is done here.
        between: called with the number of files looked at since the last call; may raise.

    Raises:
        TypeError: the files are an iterator.
    """
    if iter(files) is files:
        raise TypeError("a listing is gone through more than once: pass a list, not an iterator")
    probe = _Probe(whole, tuple(readers), tuple(words))
    if not probe.needed:
        yield from (Group(number) for number, _ in enumerate(files))
        return
    with closing(FileGroups()) as groups:
        for sights in _probed(files, probe, executor, between):
            groups.add(sights)
        if probe.pairs:
            groups.add_candidates(
                (number, *pair_key(file.name), file.path)
                for number, file in enumerate(files)
                if _may_pair(file.name)
            )
        groups.resolve((str(Path(file.path)) for file in files), fits=_fits)
        yield from (Group(*members) for members in groups.groups(sum(1 for _ in files)))


@dataclass(frozen=True)
class _Probe:
    """What is looked for in a file; sent to other processes.

    A call gives for each file that may belong with others its number and what was seen: the paths
    that it names, or the slice that it holds.
    """

    whole: bool
    readers: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def _usable(self) -> list[Reader]:
        return [find_reader(name) for name in candidate_readers(self.readers, self.words)]

    @property
    def needed(self) -> bool:
        """Whether any file has to be looked at."""
        return self.whole or any(reader.companions for reader in self._usable)

    @property
    def pairs(self) -> bool:
        """Whether scans and their segmentations are looked for."""
        return any(reader.name == "nifti" for reader in self._usable)

    def __call__(self, files: Sequence[tuple[int, str, int]]) -> list[tuple[int, str, Any]]:
        able = [reader for reader in self._usable if reader.companions or self._scans(reader)]
        sights: list[tuple[int, str, Any]] = []
        for number, path, size in files:
            if size > LARGEST_HEADER and not any(self._scans(reader) for reader in able):
                continue
            try:
                sights += [(number, *seen) for seen in self._one(Path(path), size, able)]
            except Exception:  # noqa: S112 - reading it will tell what is wrong with it
                continue
        return sights

    def _scans(self, reader: Reader) -> bool:
        return self.whole and reader.name == "dicom"

    def _one(self, path: Path, size: int, able: list[Reader]) -> list[tuple[str, Any]]:
        with path.open("rb") as file:
            head = file.read(HEAD)
        if not any(reader.sniff(head) for reader in able):
            return []
        try:
            reader = sniff(path, self.readers, self.words)
        except Unreadable:
            return []
        if reader.companions is not None and size <= LARGEST_HEADER:
            others = [str(other) for other in reader.companions(path)]
            return [("belongs", others)] if others else []
        if self._scans(reader):
            from medfm_cli.readers.dicom.reader import slice_in

            one = slice_in(path)
            return [("slice", json.dumps(astuple(one)))] if one else []
        return []


def _probed(
    files: Iterable[File],
    probe: _Probe,
    executor: Executor | None,
    between: Callable[[int], None] | None,
) -> Iterator[list[tuple[int, str, Any]]]:
    """What was seen, chunk by chunk in order; only a few chunks are on their way at a time."""
    waiting: deque[tuple[int, Future[list[tuple[int, str, Any]]]]] = deque()
    rest = ((number, file.path, file.size) for number, file in enumerate(files))
    while True:
        chunk = list(islice(rest, CHUNK))
        if executor is None:
            count, seen = len(chunk), probe(chunk)
        else:
            if chunk:
                waiting.append((len(chunk), executor.submit(probe, chunk)))
                if len(waiting) < AHEAD:
                    continue
            count, future = waiting.popleft() if waiting else (0, None)
            seen = future.result() if future else []
        if not count:
            return
        yield seen
        if between:
            between(count)


def _fits(scan: str, mask: str) -> bool:
    """Whether the second file is a segmentation on the grid of the first."""
    from medfm_cli.readers.nifti.reader import is_mask_of

    try:
        return is_mask_of(Path(mask), Path(scan))
    except (Unreadable, OSError):
        return False


def _may_pair(name: str) -> bool:
    """Whether the file is named like a volume that comes as one file, or as a header."""
    return _ENDINGS.search(name) is not None


def pair_key(name: str) -> tuple[str, str, bool]:
    """A name without words for scans and masks, its folder, and whether it says mask.

    The last word for either decides: `masks/images/1` is a scan, `images/1_mask` a mask. Of two
    files with one key, one of them named as a mask, this may be the mask of the other.
    """
    folder, _, _ = name.rpartition("/")
    words: list[str] = []
    for word in _WORDS.split(_ENDINGS.sub("", name).lower()):
        stage = _STAGES.fullmatch(word)
        words += [stage[1], stage[2]] if stage else [word]
    words_of_kind = [word for word in words if _MASK.fullmatch(word) or _SCAN.fullmatch(word)]
    rest = " ".join(word for word in words if word and word not in words_of_kind)
    return rest, folder, bool(words_of_kind) and _MASK.fullmatch(words_of_kind[-1]) is not None
