"""MedMNIST's `.npz`: thousands of small images or volumes with labels and split. Never a pickle.

The arrays are read as streams out of the archive, so that a file of many gigabytes needs the memory
of one image.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable
from medfm_cli.readers.faults import is_of_the_disk
from medfm_cli.readers.item import Item, ReadOptions, evenly
from medfm_cli.readers.voxels import check_size, narrow
from medfm_cli.samples.content import Image2D, Volume
from medfm_cli.samples.to_uint8 import limits, plain, scale, stretch

SPLITS = ("train", "val", "test")
MAX_LABELS = 256 << 20
"""Labels of one split that would need more memory than this are refused, in bytes."""


@dataclass(frozen=True)
class _Part:
    """The images of one split: `[count, height, width]`, the same with 3 colours, or volumes.

    Volumes are `[count, depth, height, width]`; of which way round they lie the file says nothing.
    """

    split: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def count(self) -> int:
        return self.shape[0]

    @property
    def deep(self) -> bool:
        """Whether they are volumes."""
        return len(self.shape) == 4 and self.shape[3] != 3

    @property
    def size(self) -> int:
        """Bytes of one image."""
        return int(np.prod(self.shape[1:])) * self.dtype.itemsize


def sniff(head: bytes) -> bool:
    """Whether this is a ZIP archive whose first member is a NumPy array."""
    length = int.from_bytes(head[26:28], "little")
    return head.startswith(b"PK\x03\x04") and head[30 : 30 + length].endswith(b".npy")


def count(path: Path) -> int:
    """How many images or volumes the file holds.

    Raises:
        Unreadable: it does not have MedMNIST's layout.
    """
    return sum(part.count for part in _parts(path))


def read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """The images in the order train, val, test, or the range `options.items` of them.

    A label is the number in the file, as text; several columns of 0 and 1 are several labels. Of
    a volume up to `options.slices` are taken from its central half, with `options.whole` all of
    it.
    """
    first, last = options.items or (0, count(path))
    start = 0
    for part in _parts(path):
        height, width = part.shape[2:4] if part.deep else part.shape[1:3]
        if height * width > options.max_pixels:
            raise Unreadable(f"images of more than {options.max_pixels / 1e6:.0f} megapixels")
        check_size(part.shape[1:], options.max_values)
        low, high = max(first - start, 0), min(last - start, part.count)
        if low < high:
            yield from _items(path, part, range(low, high), options)
        start += part.count


def _items(path: Path, part: _Part, indices: range, options: ReadOptions) -> Iterator[Item]:
    labels = _labels(path, part)
    try:
        with zipfile.ZipFile(path) as archive, _open(archive, f"{part.split}_images") as stream:
            _header(stream)
            stream.seek(indices.start * part.size, 1)
            for index in indices:
                data = stream.read(part.size)
                values = np.frombuffer(data, part.dtype).reshape(part.shape[1:])
                label, several = _label(labels, index)
                about: dict[str, Any] = {"part": f"{part.split}/{index}", "split": part.split}
                for item in _contents(values, part, options):
                    yield replace(item, label=label, labels=several, **about)
    except Exception as error:
        raise _unreadable(error) from None


def _contents(values: NDArray[Any], part: _Part, options: ReadOptions) -> Iterator[Item]:
    """What is taken of one image or volume."""
    facts: dict[str, Any] = {"format": "MedMNIST"}
    if not part.deep:
        pixels = values if values.dtype == np.uint8 else stretch(values)
        yield Item(Image2D(plain(pixels)), facts)
    elif options.whole:
        yield Item(Volume(narrow(values)), facts)
    else:
        depth = len(values)
        margin = depth // 4
        low, high = (0.0, 255.0) if values.dtype == np.uint8 else limits(values)
        for position in evenly(depth - 2 * margin, options.slices):
            pixels = scale(values[margin + position], low=low, high=high)
            yield Item(Image2D(pixels), facts | {"frames": depth}, frame=margin + position)


def _parts(path: Path) -> list[_Part]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {info.filename for info in archive.infolist()}
            found = [split for split in SPLITS if f"{split}_images.npy" in names]
            if not found:
                raise Unreadable("an .npz file without MedMNIST's arrays (train_images, …)")
            parts = []
            for split in found:
                with _open(archive, f"{split}_images") as stream:
                    parts.append(_Part(split, *_header(stream)))
    except Exception as error:
        raise _unreadable(error) from None
    for part in parts:
        _check(part)
    return parts


def _unreadable(error: Exception) -> Exception:
    """What is raised instead of an error: damaged archives and headers fail in many ways."""
    if isinstance(error, Unreadable) or is_of_the_disk(error):
        return error
    return Unreadable("a damaged or truncated .npz file")


def _open(archive: zipfile.ZipFile, name: str) -> Any:
    return archive.open(f"{name}.npy")


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
    if len(part.shape) not in (3, 4) or 0 in part.shape[1:]:
        shape = " × ".join(str(side) for side in part.shape)
        raise Unreadable(f"arrays of this shape hold no images: {shape}", step="quality")
    if part.dtype.kind not in "buif":
        raise Unreadable(f"its values are not numbers that make an image ({part.dtype})")


def _labels(path: Path, part: _Part) -> NDArray[Any] | None:
    """`[count]` or `[count, columns]`, None when the file has none."""
    name = f"{part.split}_labels"
    try:
        with zipfile.ZipFile(path) as archive:
            if f"{name}.npy" not in archive.namelist():
                return None
            with _open(archive, name) as stream:
                shape, dtype = _header(stream)
                if dtype.hasobject:
                    reason = "its labels are pickled Python objects, which are never opened"
                    raise Unreadable(reason)
                if not shape or shape[0] != part.count or len(shape) > 2:
                    has = shape[0] if shape else "no"
                    reason = f"it has {has} labels for {part.count} {part.split} images"
                    raise Unreadable(reason)
                size = int(np.prod(shape)) * dtype.itemsize
                if size > MAX_LABELS:
                    raise Unreadable(f"labels of more than {MAX_LABELS >> 20} MB")
                labels = np.frombuffer(stream.read(size), dtype).reshape(shape)
    except Exception as error:
        raise _unreadable(error) from None
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _label(labels: NDArray[Any] | None, index: int) -> tuple[str | None, list[str] | None]:
    if labels is None:
        return None, None
    if labels.ndim == 1:
        return str(labels[index]), None
    return None, [str(column) for column in np.flatnonzero(labels[index])]
