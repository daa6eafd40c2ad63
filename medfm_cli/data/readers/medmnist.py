"""MedMNIST's `.npz`: thousands of small images with labels and the official split. Never a pickle.

The arrays are read as streams out of the archive, so that a file of many gigabytes needs the memory
of one image.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from medfm_cli.data.content import Picture
from medfm_cli.data.readers.greys import plain, stretch
from medfm_cli.data.readers.item import Item, ReadOptions, Unreadable

SPLITS = ("train", "val", "test")
_BROKEN = (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, KeyError, SyntaxError)


@dataclass(frozen=True)
class _Part:
    """The images of one split: `[count, height, width]` or `[count, height, width, 3]`."""

    split: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def count(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> int:
        """Bytes of one image."""
        return int(np.prod(self.shape[1:])) * self.dtype.itemsize


def sniff(head: bytes) -> bool:
    """Whether this is a ZIP archive whose first member is a NumPy array."""
    length = int.from_bytes(head[26:28], "little")
    return head.startswith(b"PK\x03\x04") and head[30 : 30 + length].endswith(b".npy")


def count(path: Path) -> int:
    """How many images the file holds.

    Raises:
        Unreadable: it does not have MedMNIST's layout.
    """
    return sum(part.count for part in _parts(path))


def read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """The images in the order train, val, test, or the range `options.items` of them.

    A label is the number in the file, as text; several columns of 0 and 1 are several labels.
    """
    first, last = options.items or (0, count(path))
    start = 0
    for part in _parts(path):
        if part.shape[1] * part.shape[2] > options.max_pixels:
            raise Unreadable(f"images of more than {options.max_pixels / 1e6:.0f} megapixels")
        low, high = max(first - start, 0), min(last - start, part.count)
        if low < high:
            yield from _items(path, part, low, high)
        start += part.count


def _items(path: Path, part: _Part, low: int, high: int) -> Iterator[Item]:
    labels = _labels(path, part)
    facts = {"format": "MedMNIST"}
    try:
        with zipfile.ZipFile(path) as archive, _open(archive, part.split) as stream:
            _header(stream)
            stream.seek(low * part.size, 1)
            for index in range(low, high):
                data = stream.read(part.size)
                image = np.frombuffer(data, part.dtype).reshape(part.shape[1:])
                pixels = plain(image if image.dtype == np.uint8 else stretch(image))
                label, several = _label(labels, index)
                yield Item(
                    Picture(pixels),
                    facts,
                    part=f"{part.split}/{index}",
                    label=label,
                    labels=several,
                    split=part.split,
                )
    except _BROKEN:
        raise Unreadable("a damaged or truncated .npz file") from None


def _parts(path: Path) -> list[_Part]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {info.filename for info in archive.infolist()}
            found = [split for split in SPLITS if f"{split}_images.npy" in names]
            if not found:
                raise Unreadable("an .npz file without MedMNIST's arrays (train_images, …)")
            parts = []
            for split in found:
                with _open(archive, split) as stream:
                    parts.append(_Part(split, *_header(stream)))
    except Unreadable:
        raise
    except _BROKEN:
        raise Unreadable("a damaged or truncated .npz file") from None
    for part in parts:
        _check(part)
    return parts


def _open(archive: zipfile.ZipFile, split: str) -> Any:
    return archive.open(f"{split}_images.npy")


def _header(stream: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Read the array's header: its shape and type."""
    version = npy.read_magic(stream)
    reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, column_major, dtype = reader(stream)
    if column_major:
        raise Unreadable("arrays in Fortran order are not read")
    return shape, dtype


def _check(part: _Part) -> None:
    if part.dtype.hasobject:
        raise Unreadable("it holds pickled Python objects, which are never opened")
    flat = len(part.shape) == 3 or (len(part.shape) == 4 and part.shape[3] == 3)
    if not flat or 0 in part.shape[1:]:
        shape = " × ".join(str(side) for side in part.shape)
        raise Unreadable(f"arrays of this shape hold no flat images: {shape}", step="quality")


def _labels(path: Path, part: _Part) -> NDArray[Any] | None:
    """`[count]` or `[count, columns]`, None when the file has none."""
    name = f"{part.split}_labels"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if name not in arrays:
                return None
            labels: NDArray[Any] = arrays[name]
    except ValueError:
        raise Unreadable("its labels are pickled Python objects, which are never opened") from None
    if len(labels) != part.count:
        raise Unreadable(f"it has {len(labels)} labels for {part.count} {part.split} images")
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _label(labels: NDArray[Any] | None, index: int) -> tuple[str | None, list[str] | None]:
    if labels is None:
        return None, None
    if labels.ndim == 1:
        return str(labels[index]), None
    return None, [str(column) for column in np.flatnonzero(labels[index])]
