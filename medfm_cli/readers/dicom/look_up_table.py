"""Modality and VOI look-up tables (PS3.3 C.11.1 and C.11.2), as scanners really write them.

pydicom's own functions wrap indices of tables with 8-bit entries, refuse tables of 12 bits and
trust descriptors that claim more bits than the entries use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable

if TYPE_CHECKING:
    from pydicom import Dataset


_UNSIGNED = 1 << 15
"""From here on a 16-bit number without a sign may stand for a negative one."""


@dataclass(frozen=True)
class LookUpTable:
    """A table of new values.

    Attributes:
        first: the value that the first entry is for; lower ones take it too, higher ones the last.
        entries: `[N]`.
        top: the largest value that the entries can take.
    """

    first: int
    entries: NDArray[Any]
    top: int

    def apply(self, values: NDArray[Any]) -> NDArray[Any]:
        """New values, of the shape of `values`."""
        first = self.first
        if first >= _UNSIGNED and (values < 0).any():  # 63488 written for -2048
            first -= 2 * _UNSIGNED
        index = np.rint(values).astype(np.int64) - first
        found: NDArray[Any] = self.entries[np.clip(index, 0, len(self.entries) - 1)]
        return found


def look_up_table(item: Dataset, *, little_endian: bool) -> LookUpTable:
    """The table of an item of a ModalityLUTSequence or VOILUTSequence.

    Raises:
        Unreadable: the table is empty or shorter than its descriptor says.
    """
    count, first, bits = (int(value) for value in item.LUTDescriptor)
    count = count or 65536
    entries = _entries(item, count, bits, little_endian=little_endian)
    if len(entries) < count or not count:
        raise Unreadable("a look-up table of its header is shorter than it says")
    entries = entries[:count]
    used = max(int(entries.max()).bit_length(), 1)  # fewer or more than the descriptor claims
    return LookUpTable(first, entries, (1 << used) - 1)


def _entries(item: Dataset, count: int, bits: int, *, little_endian: bool) -> NDArray[np.uint16]:
    """The entries as numbers; those of 8 bits may stand one or two in a word."""
    data = item.LUTData
    if not isinstance(data, bytes | bytearray):
        words = np.atleast_1d(np.asarray(data)).astype(np.int64) & 0xFFFF
        if bits <= 8 and len(words) < count:
            return np.stack([words & 0xFF, words >> 8], axis=1).reshape(-1).astype(np.uint16)
        return words.astype(np.uint16)
    if bits <= 8 and len(data) < 2 * count:
        return np.frombuffer(bytes(data), np.uint8).astype(np.uint16)
    order = "<u2" if little_endian else ">u2"
    return np.frombuffer(bytes(data)[: len(data) & ~1], order).astype(np.uint16)
