"""Samples of WFDB signal files in every storage format (`signal(5)` of the applications guide)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.data.readers.audio import opened, read_blocks
from medfm_cli.data.readers.item import Unreadable

Samples = NDArray[Any]
FLAC = {"508": 8, "516": 16, "524": 24}
"""Formats that are FLAC streams, with the bits of a sample."""


def size_of(storage: str, count: int) -> int:
    """Bytes that hold `count` samples.

    Raises:
        Unreadable: the format is not known.
    """
    samples, size = _packing(storage)
    return -(-count * size // samples) + (storage == "310" and count % 3 == 2)


def fitting(storage: str, size: int) -> int:
    """How many samples `size` bytes hold."""
    samples, group = _packing(storage)
    count = max(0, size) * samples // group
    return count - (storage == "310" and count % 3 == 2)


def _packing(storage: str) -> tuple[int, int]:
    if storage not in FORMATS:
        raise Unreadable(f"WFDB signals in the unknown format {storage[:8]}")
    return FORMATS[storage][0]


def read_flat(path: Path, storage: str, *, offset: int, count: int) -> Samples:
    """`count` samples as they follow each other in the file, as whole numbers.

    Raises:
        Unreadable: the file is shorter than that.
    """
    size = size_of(storage, count)
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(size)
    if len(data) < size:
        raise Unreadable("a WFDB signal file that is shorter than its header says")
    return FORMATS[storage][1](np.frombuffer(data, np.uint8), count)


def read_flac(path: Path, storage: str, *, channels: int, offset: int, count: int) -> Samples:
    """`[count, channels]` samples of a FLAC stream.

    Raises:
        Unreadable: it is another kind of stream, or shorter than that.
    """
    with opened(path) as stream:
        bits = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}.get(stream.subtype, 99)
        fits = stream.format == "FLAC" and stream.channels == channels and bits <= FLAC[storage]
        if not fits:
            raise Unreadable("a WFDB signal file that is not as its header says")
        stream.seek(offset)
        values = read_blocks(stream, count * channels, "int32", frames=count)
    if len(values) < count:
        raise Unreadable("a WFDB signal file that is shorter than its header says")
    values >>= 32 - bits
    return values


def invalid(storage: str) -> int | None:
    """The number that marks an invalid sample: the lowest; format 8 has none."""
    return None if storage == "8" else -(1 << (BITS[storage] - 1))


def _plain(kind: str) -> Callable[[NDArray[np.uint8], int], Samples]:
    return lambda data, count: data.view(kind)[:count]


def _offset(kind: str, zero: int) -> Callable[[NDArray[np.uint8], int], Samples]:
    return lambda data, count: data.view(kind)[:count].astype(np.int32) - zero


def _three_bytes(data: NDArray[np.uint8], count: int) -> Samples:
    wide = np.zeros((count, 4), np.uint8)
    wide[:, 1:] = data.reshape(count, 3)
    values: Samples = wide.view("<i4")[:, 0] >> 8
    return values


def _212(data: NDArray[np.uint8], count: int) -> Samples:
    """Two samples of 12 bits in three bytes; the middle one holds both high parts."""
    pairs = _padded(data, 3).astype(np.int16)
    values = np.empty((len(pairs), 2), np.int16)
    values[:, 0] = pairs[:, 0] | (pairs[:, 1] & 0x0F) << 8
    values[:, 1] = pairs[:, 2] | (pairs[:, 1] & 0xF0) << 4
    return _signed(values.reshape(-1)[:count], 12)


def _310(data: NDArray[np.uint8], count: int) -> Samples:
    """Three samples of 10 bits in two words: 11 high bits each, the third in the low and high."""
    words = _padded(data, 4).view("<u2").astype(np.int32)
    values = np.empty((len(words), 3), np.int32)
    values[:, 0] = words[:, 0] >> 1 & 0x3FF
    values[:, 1] = words[:, 1] >> 1 & 0x3FF
    values[:, 2] = (words[:, 0] >> 11 & 0x1F) | (words[:, 1] >> 11 & 0x1F) << 5
    return _signed(values.reshape(-1)[:count], 10)


def _311(data: NDArray[np.uint8], count: int) -> Samples:
    """Three samples of 10 bits in one word of 32, the first in its lowest bits."""
    words = _padded(data, 4).view("<u4")[:, 0].astype(np.int64)
    values = np.stack([words & 0x3FF, words >> 10 & 0x3FF, words >> 20 & 0x3FF], axis=1)
    return _signed(values.reshape(-1)[:count].astype(np.int32), 10)


def _padded(data: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """`[groups, size]`, the last group filled with zeros."""
    missing = -len(data) % size
    return np.concatenate([data, np.zeros(missing, np.uint8)]).reshape(-1, size)


def _signed(values: Samples, bits: int) -> Samples:
    signed: Samples = values - ((values >> (bits - 1) & 1) << bits).astype(values.dtype)
    return signed


BITS = {"8": 32, "16": 16, "24": 24, "32": 32, "61": 16, "80": 8, "160": 16, "212": 12}
BITS |= {"310": 10, "311": 10} | FLAC
"""Bits of the numbers in a format."""
FORMATS: dict[str, tuple[tuple[int, int], Callable[[NDArray[np.uint8], int], Samples]]] = {
    "8": ((1, 1), _plain("i1")),  # first differences: the caller sums them up
    "16": ((1, 2), _plain("<i2")),
    "24": ((1, 3), _three_bytes),
    "32": ((1, 4), _plain("<i4")),
    "61": ((1, 2), _plain(">i2")),
    "80": ((1, 1), _offset("u1", 128)),
    "160": ((1, 2), _offset("<u2", 32768)),
    "212": ((2, 3), _212),
    "310": ((3, 4), _310),
    "311": ((3, 4), _311),
}
"""Each format that is no FLAC: how many samples lie in how many bytes, and how they come out."""
