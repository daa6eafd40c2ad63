"""Readers of image files: one module a format, chosen by what the file begins with.

A reader is a module with two functions and one line in `READERS`:

    def sniff(head: bytes) -> bool              # may this be mine? (the first `HEAD` bytes)
    def read(path, options) -> Iterator[Item]   # one item an image; raises Unreadable

and, where one file holds thousands of images, `count(path) -> int`. The library behind a reader is
imported inside its functions: sniffing costs nothing. Names of files are never looked at.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medfm_cli.data.readers.item import Item, ReadOptions, Unreadable
from medfm_cli.data.readers.kinds import describe

__all__ = ["HEAD", "READERS", "Item", "ReadOptions", "Reader", "Unreadable", "find_reader"]
__all__ += ["read_images", "sniff"]

HEAD = 4096
"""How much of a file a reader may sniff at, in bytes."""
READERS: dict[str, str] = {
    "npy": "medfm_cli.data.readers.npy",
    "medmnist": "medfm_cli.data.readers.medmnist",
    "nifti": "medfm_cli.data.readers.nifti",
    "image": "medfm_cli.data.readers.image",
    "dicom": "medfm_cli.data.readers.dicom",
}
"""The formats, asked in this order: the surest marks first, DICOM without its mark last."""


@dataclass(frozen=True)
class Reader:
    """A format and its functions; `count` is there only for files of very many images."""

    name: str
    sniff: Callable[[bytes], bool]
    read: Callable[[Path, ReadOptions], Iterator[Item]]
    count: Callable[[Path], int] | None = None


def find_reader(name: str) -> Reader:
    """The reader called `name` in `READERS`."""
    module = importlib.import_module(READERS[name])
    return Reader(name, module.sniff, module.read, getattr(module, "count", None))


def sniff(path: Path) -> Reader:
    """The reader for a file, by its first bytes.

    Raises:
        Unreadable: no reader knows it; the reason says what it seems to be.
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    for name in READERS:
        reader = find_reader(name)
        if reader.sniff(head):
            return reader
    raise Unreadable(f"no image format: {describe(head)}")


def read_images(path: str | Path, options: ReadOptions | None = None) -> Iterator[Item]:
    """The images of one file of any known format.

    Raises:
        Unreadable: the file gives no image, or breaks off after some (a DataError).
        OSError: the file cannot be opened.
    """
    yield from sniff(Path(path)).read(Path(path), options or ReadOptions())
