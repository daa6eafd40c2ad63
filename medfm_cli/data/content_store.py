"""Samples of every kind by row: the part of a dataset that loading workers need."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pyarrow as pa

from medfm_cli.data.image_store import DAMAGED_HINT, ImageStore
from medfm_cli.errors import DataError
from medfm_cli.samples.content import Content, Image2D
from medfm_cli.samples.payload import decode


@dataclass(frozen=True)
class ContentStore:
    """Decode the sample of a row. Picklable; safe in threads, after fork and in spawned workers.

    Attributes:
        store: the payloads.
        kinds: of every row, as pyarrow's strings: no objects that a forked worker would copy.
        metas: what the manifest says of every row's numbers (JSON).
    """

    store: ImageStore
    kinds: pa.ChunkedArray
    metas: pa.ChunkedArray

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
            return decode(kind, data, json.loads(self.metas[row].as_py()))
        except DataError as error:
            raise self.unreadable(row, error) from None

    def unreadable(self, row: int, error: DataError) -> DataError:
        """The error with the sample's name in it."""
        return DataError(
            f"cannot read sample {self.store.sample_id(row)}: {error.message}",
            hint=DAMAGED_HINT,
        )
