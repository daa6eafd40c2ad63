"""Images by row, straight from the shards: the part of a dataset that loading workers need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medfm_cli.data.card import DAMAGED_HINT
from medfm_cli.data.shards import ShardReader
from medfm_cli.errors import DataError
from medfm_cli.samples.payload import decode_png


class ImageStore:
    """Decode the PNG of a row. Small to pickle; safe in threads, after fork and in spawned workers.

    Args:
        folder: where the shards are.
        names: the shards' file names.
        shards: for every row its index into `names`, `[N]`.
        places: for every row its offset and length in bytes, `[N, 2]`.
        ids: for every row its sample id as bytes, `[N]`; errors name it.
        sums: for every row the CRC-32 of its payload, `[N]`, −1 where it is unknown. It is checked
            when a process reads the row for the first time: that adds 3 to 6 % to decoding an
            image, and takes as long as reading a volume from memory (`benchmarks/checksums.py`).
    """

    def __init__(
        self,
        folder: Path,
        *,
        names: Sequence[str],
        shards: NDArray[np.int64],
        places: NDArray[np.int64],
        ids: NDArray[np.bytes_],
        sums: NDArray[np.int64],
    ) -> None:
        self.names = list(names)
        self.shards = shards
        self.places = places
        self.ids = ids
        self.sums = sums
        self._unchecked = sums >= 0
        self._reader = ShardReader(folder)

    def __len__(self) -> int:
        return len(self.shards)

    def sample_id(self, row: int) -> str:
        """The id of the sample in this row."""
        return bytes(self.ids[row]).decode()

    def payload(self, row: int) -> bytes:
        """The encoded sample.

        Raises:
            DataError: the shard is missing, unreadable, cut short or was changed; the sample is
                named.
        """
        shard = self.names[self.shards[row]]
        offset, length = self.places[row].tolist()
        expected = int(self.sums[row]) if self._unchecked[row] else -1
        try:
            data = self._reader.read(shard, offset, length, expected)
        except DataError as error:
            raise self._unreadable(row, error.message) from None
        self._unchecked[row] = False
        return data

    def announce(self, rows: Iterable[int]) -> None:
        """Let the system fetch these rows' bytes from disk while the first is being decoded."""
        for row in rows:
            self._reader.announce(self.names[self.shards[row]], *self.places[row].tolist())

    def image(self, row: int) -> NDArray[np.uint8]:
        """The pixels: uint8 `[height, width]`, or `[height, width, 3]` for colour.

        Raises:
            DataError: the shard or the PNG is damaged; the sample is named.
        """
        data = self.payload(row)
        try:
            return decode_png(data)
        except DataError as error:
            raise self._unreadable(row, error.message) from None
        except Exception as error:  # a damaged file makes the decoder say almost anything
            raise self._unreadable(row, f"its PNG is damaged ({error})") from None

    def member(self, row: int, offset: int, length: int, crc32: int = -1) -> bytes:
        """Another member of the sample in this row, by its place in the row's shard.

        Raises:
            DataError: the shard is missing, unreadable, cut short or was changed.
        """
        return self._reader.read(self.names[self.shards[row]], offset, length, crc32)

    def _unreadable(self, row: int, why: str) -> DataError:
        return DataError(f"cannot read sample {self.sample_id(row)}: {why}", hint=DAMAGED_HINT)
