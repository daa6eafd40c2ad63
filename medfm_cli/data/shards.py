"""Plain WebDataset tars: written deterministically, read by offset.

A sample is a run of members `<key>.<extension>` in one shard (`shard-00000.tar`, …). Any tar tool
and `webdataset` read them; medfm itself jumps straight to a payload with the manifest's offset.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from medfm_cli.data.card import DAMAGED_HINT
from medfm_cli.errors import DataError
from medfm_cli.runs.atomic import sync_folder

BLOCK = tarfile.BLOCKSIZE
MOST_SAMPLES = 1 << 14
"""Samples of one shard, at most: shards of small samples, too, stay quick to copy and to check."""
OPEN_SHARDS = 128
"""Shards whose descriptor a reader keeps; more are opened for each read."""


class Location(NamedTuple):
    """Where a payload lies: the shard's file name, then bytes from its start, and bytes."""

    shard: str
    offset: int
    length: int


class Shard(NamedTuple):
    """A finished shard: file name, size in bytes, sha256 of the file, samples inside."""

    name: str
    bytes: int
    sha256: str
    samples: int


def shard_name(index: int) -> str:
    """The file name of the shard with this number."""
    return f"shard-{index:05d}.tar"


def member_places(
    first: Location, lengths: Mapping[str, int], sums: Mapping[str, int] | None = None
) -> dict[str, tuple[int, ...]]:
    """Offset, length and CRC-32 of every member of a sample, from where its first payload lies.

    Args:
        first: what `ShardWriter.add` gave.
        lengths: the members' lengths in bytes, in their order.
        sums: their CRC-32, where it is known; else there is none in the result.
    """
    places: dict[str, tuple[int, ...]] = {}
    offset = first.offset
    for name, length in lengths.items():
        places[name] = (offset, length) if sums is None else (offset, length, sums[name])
        offset += length + -length % BLOCK + BLOCK
    return places


class ShardWriter:
    """Append samples to shards of at most about `max_bytes` and `MOST_SAMPLES`, each atomically.

    The same samples in the same order give the same bytes: headers carry no time and no owner.
    A shard appears under its name only once it is complete and on disk, and is then listed in
    `finished`. To continue interrupted work, give `start`, the number of shards known to be
    finished, and add the samples that come after them: later shards, known to nobody, and
    leftovers of a killed process are removed first. A sample larger than `max_bytes` has a
    shard to itself. Leaving the `with` block by an error drops the unfinished shard.
    """

    def __init__(self, folder: Path, *, max_bytes: int = 256 << 20, start: int = 0) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.finished: list[Shard] = []
        self._index = start
        self._file: BinaryIO | None = None
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder, start)

    def add(self, key: str, members: Mapping[str, bytes]) -> Location:
        """Append one sample, `{"png": …, "json": …}`, and return the position of its first payload.

        Raises:
            ValueError: the key or an extension would not come back from WebDataset's rule that
                a member's name is cut at its first dot.
            OSError: the disk refuses.
        """
        _check_names(key, members)
        chunks = list(_tar_chunks(key, members))
        size = sum(map(len, chunks))
        full = self._file is not None and (
            self._size + size + 2 * BLOCK > self.max_bytes or self._samples == MOST_SAMPLES
        )
        if full:
            self._finish()
        file = self._file or self._begin()
        location = Location(shard_name(self._index), self._size + BLOCK, _first_length(members))
        for chunk in chunks:
            file.write(chunk)
            self._digest.update(chunk)
        self._size += size
        self._samples += 1
        return location

    def close(self) -> list[Shard]:
        """Finish the last shard and return all shards that this writer finished."""
        if self._file is not None:
            self._finish()
        return self.finished

    def discard(self) -> None:
        """Drop the unfinished shard; the finished ones stay."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # a full disk refuses what is still buffered, too
                file.close()
            self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self.discard()

    @property
    def _temporary(self) -> Path:
        return self.folder / f"{shard_name(self._index)}.tmp"

    def _begin(self) -> BinaryIO:
        self._file = self._temporary.open("wb", buffering=1 << 20)
        self._digest = hashlib.sha256()
        self._size = 0
        self._samples = 0
        return self._file

    def _finish(self) -> None:
        file = self._file
        if file is None:
            return
        end = bytes(2 * BLOCK)
        file.write(end)
        self._digest.update(end)
        file.flush()
        os.fsync(file.fileno())
        file.close()
        name = shard_name(self._index)
        self._temporary.replace(self.folder / name)
        sync_folder(self.folder)
        digest = self._digest.hexdigest()
        self.finished.append(Shard(name, self._size + len(end), digest, self._samples))
        self._file = None
        self._index += 1


class ShardReader:
    """Read payloads by offset. Safe in threads, after fork, and pickled to spawned workers.

    Reads name their position (`pread`), so processes that inherited a descriptor share nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._descriptors: dict[str, int] = {}

    def read(self, shard: str, offset: int, length: int, crc32: int = -1) -> bytes:
        """The `length` bytes at `offset` of the shard.

        Args:
            shard: its file name.
            offset: of the first byte.
            length: in bytes.
            crc32: what their CRC-32 must be; −1 does not check.

        Raises:
            DataError: the shard is missing, unreadable or shorter than that, or was changed.
        """
        data = self._read(shard, offset, length)
        if crc32 >= 0 and zlib.crc32(data) != crc32:
            raise DataError(
                f"{self.folder / shard} was changed after it was written: the {length} bytes at "
                f"{offset} have another checksum",
                hint=DAMAGED_HINT,
            )
        return data

    def _read(self, shard: str, offset: int, length: int) -> bytes:
        descriptor = self._kept(shard)
        if descriptor is not None:
            return self._pread(descriptor, shard, offset, length)
        descriptor = self._open(shard)
        try:
            return self._pread(descriptor, shard, offset, length)
        finally:
            os.close(descriptor)

    def announce(self, shard: str, offset: int, length: int) -> None:
        """Advise the system that these bytes will be read soon; never an error."""
        with suppress(DataError, OSError, AttributeError):  # macOS has no fadvise
            if (descriptor := self._kept(shard)) is not None:
                os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_WILLNEED)

    def close(self) -> None:
        """Close the descriptors; a later read opens them again."""
        while self._descriptors:
            os.close(self._descriptors.popitem()[1])

    def __del__(self) -> None:
        self.close()

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.__init__(state["folder"])  # type: ignore[misc]

    def _kept(self, shard: str) -> int | None:
        """The shard's lasting descriptor, opened if need be; None when there are too many."""
        descriptor = self._descriptors.get(shard)
        if descriptor is None and len(self._descriptors) < OPEN_SHARDS:
            opened = self._open(shard)
            descriptor = self._descriptors.setdefault(shard, opened)
            if descriptor != opened:  # another thread was faster
                os.close(opened)
        return descriptor

    def _open(self, shard: str) -> int:
        try:
            return os.open(self.folder / shard, os.O_RDONLY)
        except FileNotFoundError:
            raise DataError(
                f"the shard {shard} is missing from {self.folder}",
                hint=DAMAGED_HINT,
            ) from None
        except OSError as error:
            raise DataError(f"cannot open {self.folder / shard}: {error.strerror}") from None

    def _pread(self, descriptor: int, shard: str, offset: int, length: int) -> bytes:
        try:
            data = os.pread(descriptor, length, offset)
            while len(data) < length and (more := self._more(descriptor, data, offset, length)):
                data += more
        except OSError as error:
            raise DataError(f"cannot read {self.folder / shard}: {error.strerror}") from None
        if len(data) < length:
            raise DataError(
                f"the shard {self.folder / shard} is cut short: "
                f"it ends before byte {offset + length}",
                hint=DAMAGED_HINT,
            )
        return data

    @staticmethod
    def _more(descriptor: int, data: bytes, offset: int, length: int) -> bytes:
        """The rest after a short read (network file systems and very large reads have them)."""
        return os.pread(descriptor, length - len(data), offset + len(data))


def _check_names(key: str, members: Mapping[str, bytes]) -> None:
    if not key or "." in key or "/" in key or key.startswith("__"):
        raise ValueError(f"a sample's key has no '.', no '/' and no leading '__': {key!r}")
    if not members:
        raise ValueError(f"sample {key} has no members")
    for extension in members:
        if not extension or "/" in extension or extension != extension.lower():
            raise ValueError(f"a member's extension is lower case without '/': {extension!r}")


def _tar_chunks(key: str, members: Mapping[str, bytes]) -> Iterator[bytes]:
    """The bytes of one sample in the tar: header, payload and padding of each member."""
    for extension, payload in members.items():
        info = tarfile.TarInfo(f"{key}.{extension}")
        info.size = len(payload)
        yield info.tobuf(tarfile.USTAR_FORMAT)
        yield payload
        yield bytes(-len(payload) % BLOCK)


def _first_length(members: Mapping[str, bytes]) -> int:
    return len(next(iter(members.values())))


def _remove_leftovers(folder: Path, start: int) -> None:
    """Remove unfinished shards and those numbered `start` and up."""
    known = {shard_name(index) for index in range(start)}
    for path in folder.glob("shard-*.tar*"):
        if path.name not in known and path.suffix in {".tar", ".tmp"}:
            path.unlink()
