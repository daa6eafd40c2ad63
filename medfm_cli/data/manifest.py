"""The manifest, `samples.parquet`: one row a sample, and the hash that names its content."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from medfm_cli.runs.atomic import aside

if TYPE_CHECKING:
    from medfm_cli.data.card import LabelSchema

MANIFEST_FILE = "samples.parquet"
QUARANTINE_FILE = "quarantine.parquet"
SPLITS = ("train", "val", "test")
LAYOUT = ("shard", "offset", "length", "members")
"""Columns that say where payloads lie; they depend on their encoders and are not content."""
CHUNK = 4096
"""Rows of a row group: as many as are held in memory while a manifest is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One row of the manifest; the fields are its columns, in this order.

    `sample_id` is the first 16 hex digits of the content's sha256, and `-…` for a part of it;
    `image_id` is shared by all parts (tiles, slices, windows) of a picture, volume or recording.
    `origin` is the source block, `client` the party of a federation, `cluster` a group of near
    duplicates. `shape` is that of the stored array; `height`, `width` and `channels` are 0 for
    what is no picture, volume or video. `turns` (questions and answers), `boxes`, `meta` (see
    `content`) and `facts` (of the acquisition) are JSON. `offset` and `length` (bytes) locate the
    payload inside the shard, `members` (JSON: extension → offset and length) what belongs to it.
    """

    sample_id: str
    image_id: str
    subject_id: str
    study_id: str = ""
    site: str = ""
    split: str
    client: str = ""
    origin: str = ""
    kind: str = "image"
    modality: str = ""
    anatomy: str = ""
    label: str | None = None
    labels: list[str] | None = None
    text: str | None = None
    turns: str | None = None
    boxes: str | None = None
    time: str | None = None
    age: float | None = None
    sex: str = ""
    cluster: str = ""
    shape: list[int] = field(default_factory=list)
    height: int = field(metadata={"type": pa.int32()})
    width: int = field(metadata={"type": pa.int32()})
    channels: int = field(metadata={"type": pa.int32()})
    meta: str = "{}"
    facts: str = "{}"
    source: str
    source_sha256: str
    shard: str
    offset: int
    length: int
    members: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """One row of the quarantine: what was left out, at which step and why.

    `frame` counts from 0 within the source file; `image_id` names the image that was kept instead
    of a duplicate.
    """

    source: str
    source_sha256: str = ""
    frame: int = 0
    step: str
    reason: str
    image_id: str | None = None


def _schema(row: type[Any]) -> pa.Schema:
    kinds = {
        "str": pa.string(),
        "int": pa.int64(),
        "float": pa.float64(),
        "list[str]": pa.list_(pa.string()),
        "list[int]": pa.list_(pa.int32()),
    }
    return pa.schema(
        [
            pa.field(
                item.name,
                item.metadata.get("type") or kinds[str(item.type).removesuffix(" | None")],
                nullable=str(item.type).endswith(" | None"),
            )
            for item in dataclasses.fields(row)
        ]
    )


SAMPLES_SCHEMA = _schema(Sample)
QUARANTINE_SCHEMA = _schema(Quarantined)


class ParquetRows:
    """Writes rows to a parquet file as they come, a row group at a time.

    The same rows give the same bytes under one version of pyarrow. The file is renamed to its
    name when the `with` block ends well.

    Attributes:
        sha256: of the file, once the block has ended.
    """

    def __init__(self, path: Path, schema: pa.Schema, *, mode: int = 0o644) -> None:
        self.path = path
        self.schema = schema
        self.mode = mode
        self.sha256 = ""

    def write(
        self,
        rows: Iterable[Any],
        *,
        seen: Callable[[pa.RecordBatch], None] | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Write all rows (with their columns as attributes).

        `seen` is told every batch of them; `check` may raise before the file gets its name.
        """
        with aside(self.path) as temporary:
            temporary.touch(self.mode)
            with pq.ParquetWriter(temporary, self.schema, compression="zstd") as writer:
                for chunk in _chunks(rows):
                    batch = _batch(chunk, self.schema)
                    if seen is not None:
                        seen(batch)
                    writer.write_batch(batch, row_group_size=CHUNK)
            check()
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
                self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()


class ContentVersion:
    """The sha256 that names a dataset's content, taken while its rows go by.

    It is taken over canonical JSON lines: a head with the label schema and the columns, then every
    row in order without its `LAYOUT`. It depends neither on pyarrow nor on how payloads are packed.
    """

    def __init__(self, labels: LabelSchema) -> None:
        self.columns = [name for name in SAMPLES_SCHEMA.names if name not in LAYOUT]
        self._digest = hashlib.sha256(
            _line({"labels": labels.model_dump(), "columns": self.columns})
        )

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in the next rows."""
        values = [batch.column(name).to_pylist() for name in self.columns]
        self._digest.update(b"".join(_line(row) for row in zip(*values, strict=True)))

    def hexdigest(self) -> str:
        """The version."""
        return self._digest.hexdigest()


def samples_table(rows: Iterable[Sample]) -> pa.Table:
    """The rows as a table."""
    return _table(rows, SAMPLES_SCHEMA)


def quarantine_table(rows: Iterable[Quarantined]) -> pa.Table:
    """The quarantined files as a table."""
    return _table(rows, QUARANTINE_SCHEMA)


def content_version(table: pa.Table, labels: LabelSchema) -> str:
    """The sha256 (hex) that names the content of a whole manifest: see `ContentVersion`."""
    version = ContentVersion(labels)
    for batch in table.to_batches(max_chunksize=CHUNK):
        version.add(batch)
    return version.hexdigest()


def source_digest(hashes: Iterable[str]) -> str:
    """The sha256 (hex) over the sorted, distinct sha256s of the source files, one a line."""
    return hashlib.sha256("".join(f"{h}\n" for h in sorted(set(hashes))).encode()).hexdigest()


def _line(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def _table(rows: Iterable[Any], schema: pa.Schema) -> pa.Table:
    batches = [_batch(chunk, schema) for chunk in _chunks(rows)]
    return pa.Table.from_batches(batches, schema=schema).combine_chunks()


def _batch(rows: list[Any], schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        pa.array([getattr(row, item.name) for row in rows], type=item.type) for item in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _chunks(rows: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
