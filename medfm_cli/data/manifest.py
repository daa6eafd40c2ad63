"""The manifest, `samples.parquet`: one row a sample, and the hash that names its content."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from medfm_cli.data.card import LabelSchema

MANIFEST_FILE = "samples.parquet"
QUARANTINE_FILE = "quarantine.parquet"
SPLITS = ("train", "val", "test")
LAYOUT = ("shard", "offset", "length")
"""Columns that say where a payload lies; they depend on the PNG encoder and are not content."""
CHUNK = 16384


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One row of the manifest; the fields are its columns, in this order.

    `sample_id` is the first 16 hex digits of the pixels' sha256, and `-tNN` for a tile; `image_id`
    is shared by the tiles of an image. `facts` is a JSON object of small acquisition facts.
    `offset` and `length` (bytes) locate the PNG inside the shard.
    """

    sample_id: str
    image_id: str
    subject_id: str
    study_id: str = ""
    site: str = ""
    split: str
    modality: str = ""
    anatomy: str = ""
    label: str | None = None
    labels: list[str] | None = None
    text: str | None = None
    height: int = field(metadata={"type": pa.int32()})
    width: int = field(metadata={"type": pa.int32()})
    channels: int = field(metadata={"type": pa.int32()})
    facts: str = "{}"
    source: str
    source_sha256: str
    shard: str
    offset: int
    length: int


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
    kinds = {"str": pa.string(), "int": pa.int64(), "list[str]": pa.list_(pa.string())}
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


def samples_table(rows: Iterable[Sample]) -> pa.Table:
    """The rows as a table, built a chunk at a time so that `rows` may be a generator."""
    return _table(rows, SAMPLES_SCHEMA)


def quarantine_table(rows: Iterable[Quarantined]) -> pa.Table:
    """The quarantined files as a table."""
    return _table(rows, QUARANTINE_SCHEMA)


def parquet_bytes(table: pa.Table) -> bytes:
    """The table as parquet; the same table gives the same bytes under one version of pyarrow."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", row_group_size=1 << 17)
    return sink.getvalue()


def content_version(table: pa.Table, labels: LabelSchema) -> str:
    """The sha256 (hex) that names a dataset's content.

    It is taken over canonical JSON lines: a head with the label schema and the columns, then every
    row in order without its `LAYOUT`. It depends neither on pyarrow nor on how PNGs are packed.
    """
    columns = [name for name in table.column_names if name not in LAYOUT]
    digest = hashlib.sha256(_line({"labels": labels.model_dump(), "columns": columns}))
    for batch in table.select(columns).to_batches(max_chunksize=CHUNK):
        values = [column.to_pylist() for column in batch.columns]
        digest.update(b"".join(_line(row) for row in zip(*values, strict=True)))
    return digest.hexdigest()


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
