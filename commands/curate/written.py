"""Samples of a catalog as they lie in the written dataset, without holding its manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from medfm_cli.data.dataset import SHARDS_FOLDER
from medfm_cli.data.manifest import CHUNK, MANIFEST_FILE
from medfm_cli.data.shards import ShardReader
from medfm_cli.samples.content import Content
from medfm_cli.samples.payload import decode, decode_mask

_PLACE = ("image_id", "kind", "meta", "shard", "offset", "length", "crc32", "members")


@dataclass(frozen=True)
class WrittenSample:
    """A row of the manifest, and a way to what it stands for."""

    row: dict[str, Any]
    reader: ShardReader

    @property
    def content(self) -> Content:
        """The sample itself.

        Raises:
            DataError: its bytes are damaged.
        """
        place = (self.row[name] for name in ("shard", "offset", "length", "crc32"))
        return decode(self.row["kind"], self.reader.read(*place), json.loads(self.row["meta"]))

    @property
    def mask(self) -> NDArray[Any] | None:
        """Its segmentation, if it has one."""
        places = json.loads(self.row["members"])
        for name in ("mask.png", "mask.npy"):
            if name in places:
                return decode_mask(name, self.reader.read(self.row["shard"], *places[name]))
        return None


def image_id(content_sha: str) -> str:
    """The name that a sample of the catalog has in the manifest."""
    return content_sha[:16]


class WrittenSamples:
    """Looks samples up by the hash of their content; of one in many parts its middle part.

    The manifest is read through once a look-up, in batches: look many samples up at
    once.
    """

    def __init__(self, root: Path) -> None:
        self._manifest = ds.dataset(root / MANIFEST_FILE, format="parquet")
        self._reader = ShardReader(root / SHARDS_FOLDER)

    def contents(self, shas: Iterable[str], *, most: int) -> Iterator[tuple[str, Content]]:
        """The contents of some samples in the order of their hashes, each with its hash.

        It ends after `most` bytes, so that a few large volumes do not cost an hour. As hashes are
        random, so is what is left out.
        """
        read = 0
        for sha, sample in sorted(self.samples(shas, columns=_PLACE).items()):
            if read and read + sample.row["length"] > most:
                return
            read += sample.row["length"]
            yield sha, sample.content

    def samples(
        self, shas: Iterable[str], *, columns: Sequence[str] | None = None
    ) -> dict[str, WrittenSample]:
        """Some samples by their hash, in the manifest's order; only those that it holds."""
        names = {image_id(sha): sha for sha in shas}
        if not names:
            return {}
        rows_of: dict[str, list[dict[str, Any]]] = {}
        batches = self._manifest.to_batches(
            columns=list(columns) if columns else None,
            filter=pc.field("image_id").isin(list(names)),
            batch_size=CHUNK,
            batch_readahead=1,
            fragment_readahead=1,
        )
        for batch in batches:
            for row in batch.to_pylist():
                rows_of.setdefault(names[row["image_id"]], []).append(row)
        return {
            sha: WrittenSample(rows[len(rows) // 2], self._reader) for sha, rows in rows_of.items()
        }
