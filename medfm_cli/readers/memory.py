"""Bytes that lie in another file, read as if they were a file of their own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import Item, ReadOptions

CONTAINERS = frozenset({"webdataset", "parquet", "arrow", "interleaved", "medmnist"})
"""Readers of files with samples in them, which do not lie in each other."""


@contextmanager
def as_file(data: bytes) -> Iterator[Path]:
    """A path to the bytes: in memory where the system can, else a temporary file."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        number = os.memfd_create("sample")
        try:
            with open(number, "wb", closefd=False) as file:
                file.write(data)
            yield Path(f"/proc/self/fd/{number}")
        finally:
            os.close(number)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample"
        path.write_bytes(data)
        yield path


def read_bytes(data: bytes, options: ReadOptions) -> Iterator[Item]:
    """The samples in the bytes of a file of any known format that is no container.

    Raises:
        Unreadable: they give none.
    """
    from medfm_cli.readers import sniff

    with as_file(data) as path:
        reader = sniff(path)
        if reader.name in CONTAINERS:
            raise Unreadable("an archive of samples inside another")
        for item in reader.read(path, options):
            if isinstance(item, Unreadable):
                raise item
            yield item


def first_of(data: bytes, options: ReadOptions) -> Item:
    """The first sample in the bytes.

    Raises:
        Unreadable: they give none.
    """
    item = next(read_bytes(data, options), None)
    if item is None:
        raise Unreadable("it holds no samples")
    return item
