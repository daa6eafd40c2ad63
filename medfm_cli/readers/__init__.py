"""Readers of files: one module a format, chosen by what the file begins with.

A reader is a module with two functions and one line in `READERS`:

    def sniff(head: bytes) -> bool              # may this be mine? (the first `HEAD` bytes)
    def read(path, options) -> Iterator[Item]   # one item a sample; raises Unreadable

and, where one file holds thousands of samples, `count(path) -> int`, and `read` may yield an
`Unreadable` for one of them that is broken; where other files belong to it (the samples that a
header names), `companions(path) -> list[Path]`; where several files make one sample (slices of a
series), `read_group(paths, options)`; where a recipe that names the reader may give it more than it
would take by itself, `accepts(head) -> bool`. The library behind a reader is imported
inside its functions: sniffing costs nothing. Names of files are never looked at.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfm_cli.errors import Unreadable
from medfm_cli.readers.guard import guarded, safely
from medfm_cli.readers.other_files import describe

if TYPE_CHECKING:
    from medfm_cli.readers.item import Item, ReadOptions

__all__ = ["HEAD", "ON_REQUEST", "READERS", "Item", "ReadOptions", "Reader", "Unreadable"]


def __getattr__(name: str) -> Any:
    """Import what needs numpy when it is first used: recipes read tables through this package."""
    if name not in ("Item", "ReadOptions"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("medfm_cli.readers.item"), name)


__all__ += ["candidate_readers", "find_reader", "read_images", "sniff"]

HEAD = 4096
"""How much of a file a reader may sniff at, in bytes."""
READERS: dict[str, str] = {
    "csv-signal": "medfm_cli.readers.signals.csv_signal",
    "npy-signal": "medfm_cli.readers.signals.npy_signal",
    "icu-wide": "medfm_cli.readers.series.icu_wide",
    "npy": "medfm_cli.readers.images.npy",
    "medmnist": "medfm_cli.readers.images.medmnist",
    "nifti": "medfm_cli.readers.nifti.reader",
    "video": "medfm_cli.readers.images.video",
    "image": "medfm_cli.readers.images.image",
    "audio": "medfm_cli.readers.signals.audio",
    "icu": "medfm_cli.readers.series.icu",
    "wfdb": "medfm_cli.readers.signals.wfdb",
    "edf": "medfm_cli.readers.signals.edf",
    "webdataset": "medfm_cli.readers.tables.webdataset",
    "parquet": "medfm_cli.readers.tables.parquet",
    "arrow": "medfm_cli.readers.tables.arrow",
    "interleaved": "medfm_cli.readers.tables.interleaved",
    "questions": "medfm_cli.readers.tables.questions",
    "reports": "medfm_cli.readers.tables.reports",
    "text": "medfm_cli.readers.tables.text",
    "table": "medfm_cli.readers.tables.table",
    "dicom": "medfm_cli.readers.dicom.reader",
}
"""The formats, tried in this order: the surest marks first, DICOM without its mark last."""
ON_REQUEST: dict[str, frozenset[str]] = {
    "csv-signal": frozenset({"rate"}),
    "npy-signal": frozenset({"rate"}),
    "icu-wide": frozenset({"id", "time"}),
    "table": frozenset(),
    "text": frozenset(),
}
"""Readers of what could be anything, such as a table of numbers: tried (and then first) only where
a recipe names them, or where its `format:` says all of these words."""


@dataclass(frozen=True)
class Reader:
    """A format and its functions; `count` is there only for files of very many samples."""

    name: str
    sniff: Callable[[bytes], bool]
    read: Callable[[Path, ReadOptions], Iterator[Item | Unreadable]]
    count: Callable[[Path], int] | None = None
    companions: Callable[[Path], list[Path]] | None = None
    accepts: Callable[[bytes], bool] | None = None
    read_group: Callable[[Sequence[Path], ReadOptions], Iterator[Item]] | None = None


def find_reader(name: str) -> Reader:
    """The reader called `name` in `READERS`."""
    return _reader(name, READERS[name])


@cache
def _reader(name: str, path: str) -> Reader:
    """The same reader for every call, which is several times a file."""
    module = importlib.import_module(path)
    more: dict[str, Any] = {"accepts": getattr(module, "accepts", None)}
    for word, guard in (("count", safely), ("companions", safely), ("read_group", guarded)):
        function = getattr(module, word, None)
        more[word] = guard(function) if function else None
    return Reader(name, module.sniff, guarded(module.read), **more)


def sniff(path: Path, names: Collection[str] = (), words: Collection[str] = ()) -> Reader:
    """The reader for a file, by its first bytes.

    Args:
        path: the file.
        names: the readers that a recipe allows, in `READERS`; none for all but `ON_REQUEST`.
        words: what the recipe's `format:` block speaks of.

    Raises:
        Unreadable: no reader knows it; the reason says what it seems to be.
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    candidates = candidate_readers(names, words)
    if head[128:132] == b"DICM" and "dicom" in candidates:
        return find_reader("dicom")  # its preamble may hold the start of a TIFF or of a video
    for name in candidates:
        reader = find_reader(name)
        if reader.sniff(head) or (name in names and reader.accepts and reader.accepts(head)):
            return reader
    raise Unreadable(f"no known format: {describe(head)}")


def candidate_readers(names: Collection[str] = (), words: Collection[str] = ()) -> list[str]:
    """The readers to ask, in order: those on request first, then the rest as in `READERS`."""
    allowed = [name for name in READERS if name in names or not names]
    requested = [
        name
        for name, needs in ON_REQUEST.items()
        if name in names or (not names and needs and needs <= set(words))
    ]
    return requested + [name for name in allowed if name not in ON_REQUEST]


def read_images(path: str | Path, options: ReadOptions | None = None) -> Iterator[Item]:
    """The samples of one file of any known format.

    Raises:
        Unreadable: the file gives no sample, or breaks off after some (a DataError).
        OSError: the file cannot be opened.
    """
    if options is None:
        from medfm_cli.readers.item import ReadOptions

        options = ReadOptions()
    for item in sniff(Path(path), words=options.format).read(Path(path), options):
        if isinstance(item, Unreadable):
            raise item
        yield item
