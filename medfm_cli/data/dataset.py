"""The dataset on disk, opened: its manifest as columns, its images by row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from medfm_cli.data.card import DAMAGED_HINT, DatasetCard, check_file, read_card
from medfm_cli.data.content_store import ContentStore
from medfm_cli.data.image_store import ImageStore
from medfm_cli.data.manifest import (
    MANIFEST_FILE,
    QUARANTINE_FILE,
    SAMPLES_SCHEMA,
    SPLITS,
    content_version,
    with_all_columns,
)
from medfm_cli.errors import DataError
from medfm_cli.runs.artefacts import find
from medfm_cli.runs.hashes import file_sha256
from medfm_cli.samples.content import Content

SHARDS_FOLDER = "shards"
_KIND_HINTS = {"image": "curate volumes and videos with whole=false to have their slices as images"}


class Dataset:
    """A dataset that `medfm curate` wrote. Reading is safe in threads, fork and spawn."""

    def __init__(self, root: Path, card: DatasetCard, samples: pa.Table) -> None:
        self.root = root
        self.card = card
        self.samples = samples

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a dataset folder, or the one in a run directory.

        Checks the card against its checksum, the manifest against the card, and that every shard is
        there in its full size. Samples are checked as they are read; `verify` checks all bytes.

        Raises:
            DataError: there is no dataset, it is damaged, or of another format.
        """
        root = find(path, "dataset")
        card = read_card(root)
        samples = _read_manifest(root, card)
        _check_shards(root, card, samples)
        return cls(root, card, samples)

    @property
    def version(self) -> str:
        """The sha256 (hex) that names the content."""
        return self.card.version

    @property
    def classes(self) -> list[str]:
        """The names of the classes; a label is an index into them."""
        return self.card.label_schema.classes

    @property
    def quarantine(self) -> pa.Table:
        """What was left out: see `manifest.Quarantined`.

        Raises:
            DataError: the file is damaged or was changed.
        """
        check_file(self.root / QUARANTINE_FILE, self.card.files.get(QUARANTINE_FILE, ""))
        return _read_parquet(self.root / QUARANTINE_FILE)

    def __len__(self) -> int:
        return int(self.samples.num_rows)

    def column(self, name: str) -> list[Any]:
        """One column of the manifest, a value for every row."""
        values: list[Any] = self.samples.column(name).to_pylist()
        return values

    def rows(
        self,
        split: str | None = None,
        *,
        labelled: bool = False,
        kind: str | Sequence[str] | None = "image",
        client: str | None = None,
    ) -> NDArray[np.int64]:
        """The row numbers of a split (of all without one), in the manifest's order.

        Args:
            split: train, val or test.
            labelled: only samples that have a label.
            kind: what the samples must be (one of several), None for anything.
            client: only samples of this client of a federation.

        Raises:
            DataError: the dataset holds nothing of this kind, or has no such client.
        """
        if split is not None and split not in SPLITS:
            raise ValueError(f"there is no split {split!r}; there are {', '.join(SPLITS)}")
        kinds = [kind] if kind is None or isinstance(kind, str) else kind
        keep = np.logical_or.reduce([self._of_kind(each) for each in kinds])
        if split is not None:
            keep &= pc.equal(self.samples.column("split"), split).to_numpy()
        if labelled:
            keep &= self.labels() >= 0
        if client is not None:
            keep &= self._of_client(client)
        return np.flatnonzero(keep)

    def labels(self) -> NDArray[np.int64]:
        """For every row the index of its label in `classes`, −1 where it has none."""
        return _index(self.samples.column("label"), self.classes)

    def image(self, row: int) -> NDArray[np.uint8]:
        """The pixels of a row: uint8 `[height, width]`, or `[height, width, 3]` for colour.

        Raises:
            DataError: the shard or the PNG is damaged; the sample is named.
        """
        return self.images.image(row)

    def content(self, row: int) -> Content:
        """The sample of a row, of whatever kind.

        Raises:
            DataError: the shard or the payload is damaged; the sample is named.
        """
        return self.contents.content(row)

    def mask(self, row: int) -> NDArray[Any] | None:
        """The segmentation of a row's image `[H, W]` or volume `[D, H, W]`, None without one."""
        return self.contents.mask(row)

    def members(self, row: int, names: Iterable[str] | None = None) -> dict[str, bytes]:
        """The members of a row's sample by extension: all, or those of `names` that it has."""
        places = json.loads(self.samples.column("members")[row].as_py())
        present = places if names is None else [name for name in names if name in places]
        return {name: self.images.member(row, *places[name]) for name in present}

    def sample_id(self, row: int) -> str:
        """The id of the sample in this row."""
        return self.images.sample_id(row)

    def verify(self) -> None:
        """Read everything and check every hash: the manifest's content and each shard.

        Raises:
            DataError: names the first file that is not what the card says.
        """
        if content_version(self.samples, self.card.label_schema) != self.version:
            raise DataError(
                f"the rows of {self.root / MANIFEST_FILE} do not have the version in its card",
                hint=DAMAGED_HINT,
            )
        for name, expected in sorted(self.card.files.items()):
            check_file(self.root / name, expected)
        for shard in self.card.shards:
            check_file(self.root / SHARDS_FOLDER / shard.name, shard.sha256)

    def _of_kind(self, kind: str | None) -> NDArray[np.bool_]:
        """Which rows are of this kind."""
        if kind is None:
            return np.ones(len(self), dtype=bool)
        counts = self.card.counts.kinds
        if len(self) and kind not in counts:
            held = ", ".join(f"{n} of kind {name}" for name, n in counts.items())
            raise DataError(
                f"the dataset '{self.card.name}' holds no {kind}: its samples are {held}",
                hint=_KIND_HINTS.get(kind, ""),
            )
        return pc.equal(self.samples.column("kind"), kind).to_numpy()  # type: ignore[no-any-return]

    def _of_client(self, client: str) -> NDArray[np.bool_]:
        """Which rows are this client's."""
        clients = self.card.counts.clients
        if client not in clients:
            names = ", ".join(sorted(clients)) or "none"
            raise DataError(
                f"the dataset '{self.card.name}' has no client '{client}'; it has {names}",
                hint="curate with derive.clients to divide a dataset among clients",
            )
        return pc.equal(self.samples.column("client"), client).to_numpy()  # type: ignore[no-any-return]

    @cached_property
    def contents(self) -> ContentStore:
        """The samples of every kind by row, without the rest of the manifest."""
        kinds, metas, members = (self.samples.column(name) for name in ("kind", "meta", "members"))
        return ContentStore(self.images, kinds, metas, members)

    @cached_property
    def images(self) -> ImageStore:
        """The images by row, without the rest of the manifest."""
        names = [shard.name for shard in self.card.shards]
        return ImageStore(
            self.root / SHARDS_FOLDER,
            names=names,
            shards=_index(self.samples.column("shard"), names),
            places=_places(self.samples),
            ids=np.asarray(self.column("sample_id"), dtype=np.bytes_),
            sums=self.samples.column("crc32").to_numpy(),
        )


def _read_manifest(root: Path, card: DatasetCard) -> pa.Table:
    path = root / MANIFEST_FILE
    try:
        sha256 = file_sha256(path)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", hint=DAMAGED_HINT) from None
    if sha256 != card.manifest_sha256:
        raise DataError(
            f"{path} is damaged or was changed: it is not the manifest that the card describes",
            hint=DAMAGED_HINT,
        )
    table = with_all_columns(_read_parquet(path))
    if not table.schema.equals(SAMPLES_SCHEMA):
        raise DataError(
            f"{path} does not have the columns of this version of medfm",
            hint="curate the source again with this version of medfm",
        )
    return table


def _read_parquet(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"cannot read {path}: {reason}", hint=DAMAGED_HINT) from None


def _check_shards(root: Path, card: DatasetCard, samples: pa.Table) -> None:
    """Every shard is there with its size, and every row lies inside its shard."""
    for shard in card.shards:
        path = root / SHARDS_FOLDER / shard.name
        try:
            size = path.stat().st_size
        except OSError:
            raise DataError(f"the dataset lacks its shard {path}", hint=DAMAGED_HINT) from None
        if size != shard.bytes:
            raise DataError(
                f"{path} is cut short or was changed: {size} bytes where the card says "
                f"{shard.bytes}",
                hint=DAMAGED_HINT,
            )
    numbers = _index(samples.column("shard"), [shard.name for shard in card.shards])
    sizes = np.asarray([shard.bytes for shard in card.shards] + [0])  # the last for the unknown
    places = _places(samples)
    outside = (places < 0).any(axis=1) | (places.sum(axis=1) > sizes[numbers])
    if outside.any():
        sample = samples.column("sample_id")[int(np.argmax(outside))].as_py()
        raise DataError(
            f"{root / MANIFEST_FILE} and the card disagree: sample {sample} lies in no shard",
            hint=DAMAGED_HINT,
        )


def _index(column: pa.ChunkedArray, values: list[str]) -> NDArray[np.int64]:
    """For every row the index of its value in `values`, −1 where it is none of them."""
    indices = pc.index_in(column, value_set=pa.array(values, type=pa.string()))
    return indices.fill_null(-1).to_numpy().astype(np.int64)  # type: ignore[no-any-return]


def _places(samples: pa.Table) -> NDArray[np.int64]:
    """For every row its offset and length in bytes, `[N, 2]`."""
    return np.stack([samples.column(name).to_numpy() for name in ("offset", "length")], axis=1)
