"""Files that are one sample together: a series of slices, a header with its data, a scan's mask.

The listing is gone through twice. First every file that may belong with others is looked at (its
first bytes, or its header), and what was seen is kept in a temporary database that spills to disk.
Then the groups are given out in the order of the listing. Where no reader knows of files that
belong together, and no volumes are wanted, nothing is opened at all.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import closing
from dataclasses import astuple, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from medfm_cli.commands.curate.reading import pairing
from medfm_cli.commands.curate.reading.file_groups import Sightings
from medfm_cli.commands.curate.sources import File
from medfm_cli.readers import HEAD, Reader, Unreadable, candidate_readers, find_reader, sniff

CHUNK = 128
"""Files that are looked at in one go."""
AHEAD = 16
"""Chunks that are handed out before the first of them is back."""
LARGEST_HEADER = 1 << 18
"""A file that names others is text, or a header of fixed size: no larger one is asked (bytes)."""


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
    look = _Look(whole, tuple(readers), tuple(words))
    if not look.needed:
        yield from (Group(number) for number, _ in enumerate(files))
        return
    with closing(Sightings()) as seen:
        for sights in _looked(files, look, executor, between):
            seen.add(sights)
        if look.pairs:
            seen.propose(
                (number, *pairing.key(file.name), file.path)
                for number, file in enumerate(files)
                if pairing.may_pair(file.name)
            )
        seen.settle((str(Path(file.path)) for file in files), fits=_fits)
        yield from (Group(*found) for found in seen.groups(sum(1 for _ in files)))


@dataclass(frozen=True)
class _Look:
    """What is looked for in a file; sent to other processes.

    A call gives for each file that may belong with others its number and what was seen: the paths
    that it names, or the slice that it holds.
    """

    whole: bool
    readers: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def _asked(self) -> list[Reader]:
        return [find_reader(name) for name in candidate_readers(self.readers, self.words)]

    @property
    def needed(self) -> bool:
        """Whether any file has to be looked at."""
        return self.whole or any(reader.companions for reader in self._asked)

    @property
    def pairs(self) -> bool:
        """Whether scans and their segmentations are looked for."""
        return any(reader.name == "nifti" for reader in self._asked)

    def __call__(self, files: Sequence[tuple[int, str, int]]) -> list[tuple[int, str, Any]]:
        able = [reader for reader in self._asked if reader.companions or self._scans(reader)]
        found: list[tuple[int, str, Any]] = []
        for number, path, size in files:
            if size > LARGEST_HEADER and not any(self._scans(reader) for reader in able):
                continue
            try:
                found += [(number, *seen) for seen in self._one(Path(path), size, able)]
            except Exception:  # noqa: S112 - reading it will tell what is wrong with it
                continue
        return found

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


def _looked(
    files: Iterable[File],
    look: _Look,
    executor: Executor | None,
    between: Callable[[int], None] | None,
) -> Iterator[list[tuple[int, str, Any]]]:
    """What was seen, chunk by chunk in order; only a few chunks are on their way at a time."""
    waiting: deque[tuple[int, Future[list[tuple[int, str, Any]]]]] = deque()
    rest = ((number, file.path, file.size) for number, file in enumerate(files))
    while True:
        chunk = list(islice(rest, CHUNK))
        if executor is None:
            count, seen = len(chunk), look(chunk)
        else:
            if chunk:
                waiting.append((len(chunk), executor.submit(look, chunk)))
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
