"""Samples of every kind by row: the part of a dataset that loading workers need."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from medfm_cli.data.card import DAMAGED_HINT
from medfm_cli.data.image_store import ImageStore
from medfm_cli.errors import DataError
from medfm_cli.samples.content import Content, Image2D
from medfm_cli.samples.payload import decode, decode_mask

MASKS = ("mask.png", "mask.npy")
"""The members that hold a segmentation."""


@dataclass(frozen=True)
class ContentStore:
    """Decode the sample of a row. Picklable; safe in threads, after fork and in spawned workers.

    Columns stay pyarrow's strings: objects would be copied by every forked worker.

    Attributes:
        store: the payloads.
        kinds: of every row.
        metas: what the manifest says of every row's numbers (JSON).
        members: what else belongs to every row's sample, and where it lies (JSON).
    """

    store: ImageStore
    kinds: pa.ChunkedArray
    metas: pa.ChunkedArray
    members: pa.ChunkedArray

    def content(self, row: int) -> Content:
        """The sample of a row, of whatever kind.

        Raises:
            DataError: the shard or the payload is damaged; the sample is named.
        """
        kind = self.kinds[row].as_py()
        if kind == "image":
            return Image2D(self.store.image(row))
        data = self.store.payload(row)
        try:
            return decode(kind, data, self._meta(row))
        except DataError as error:
            raise self.unreadable(row, error) from None

    def mask(self, row: int) -> NDArray[Any] | None:
        """The segmentation of an image `[H, W]` or volume `[D, H, W]`, None without one.

        Raises:
            DataError: the shard or the mask is damaged; the sample is named.
        """
        places = json.loads(self.members[row].as_py())
        for name in MASKS:
            if name not in places:
                continue
            try:
                return decode_mask(name, self.store.member(row, *places[name]))
            except Exception as error:  # a damaged file makes the decoder say almost anything
                damaged = DataError(f"its mask is damaged ({error})")
                raise self.unreadable(row, damaged) from None
        return None

    def spacing(self, row: int) -> tuple[float, float, float] | None:
        """The voxel spacing of a volume in mm, None where it is unknown."""
        spacing = self._meta(row).get("spacing")
        return None if spacing is None else (spacing[0], spacing[1], spacing[2])

    def announce(self, rows: Iterable[int]) -> None:
        """Let the system fetch these rows' bytes from disk while the first is being decoded."""
        self.store.announce(rows)

    def sample_id(self, row: int) -> str:
        """The id of the sample in this row."""
        return self.store.sample_id(row)

    def unreadable(self, row: int, error: DataError) -> DataError:
        """The error with the sample's name in it."""
        return DataError(
            f"cannot read sample {self.store.sample_id(row)}: {error.message}",
            hint=DAMAGED_HINT,
        )

    def _meta(self, row: int) -> dict[str, Any]:
        meta: dict[str, Any] = json.loads(self.metas[row].as_py())
        return meta
