"""The manifest, `samples.parquet`: one row a sample, and the hash that names its content."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq

from medfm_cli.runs.atomic import aside
from medfm_cli.samples.attributes import Attributes
from medfm_cli.samples.fields import Column, RecordField, record_fields

if TYPE_CHECKING:
    from medfm_cli.data.card import LabelSchema

MANIFEST_FILE = "samples.parquet"
QUARANTINE_FILE = "quarantine.parquet"
FINGERPRINTS_FILE = "fingerprints.parquet"
SPLITS = ("train", "val", "test")
FIRST_COLUMNS = (
    *("sample_id", "image_id", "subject_id", "study_id", "site", "split", "client", "origin"),
    *("kind", "modality", "anatomy", "label", "labels", "text", "turns", "boxes", "time"),
    *("age", "sex", "cluster", "shape", "height", "width", "channels", "meta", "facts"),
    *("source", "source_sha256", "shard", "offset", "length", "members"),
)
"""The columns that every manifest has, in their order. The version of a dataset is a hash over
these, so that an attribute which is added later changes no version of what does not have it."""
CHUNK = 4096
"""Rows of a row group: as many as are held in memory while a manifest is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Attributes):
    """One row of the manifest; the fields are its columns.

    All records of a sample derive from this definition and from `Attributes`. `time`, `text` and
    `turns` are private until they are de-identified: readers have them in another form.
    """

    sample_id: Annotated[
        str,
        Column(
            doc="First 16 hex digits of the content's sha256, and the number of the part.",
            source="run",
        ),
    ]
    image_id: Annotated[
        str, Column(doc="Shared by the parts (tiles, slices, windows) of one sample.", source="run")
    ]
    subject_id: Annotated[
        str, Column(doc="Pseudonym of the patient, else of the study or the file.", source="run")
    ]
    study_id: Annotated[str, Column(doc="Pseudonym of the study.", source="run")] = ""
    site: Annotated[
        str, Column(doc="Where it was acquired: a pseudonym, or what a public source says.")
    ] = ""
    split: Annotated[str, Column(doc="train, val or test.")]
    client: Annotated[str, Column(doc="The party of a federation that holds it.")] = ""
    origin: Annotated[
        str, Column(doc="The source block of the recipe it came from.", source="run")
    ] = ""
    kind: Annotated[
        str,
        Column(doc="image, volume, video, signal, audio, series, table or text.", source="part"),
    ] = "image"
    text: Annotated[str | None, Column(doc="Report, note or caption; de-identified.")] = None
    turns: Annotated[str | None, Column(doc="Questions and answers, as JSON.")] = None
    boxes: Annotated[
        str | None, Column(doc="Labelled rectangles in pixels, as JSON.", source="part")
    ] = None
    time: Annotated[
        str | None,
        Column(
            doc="When it was acquired, shifted by a number of days of its own for every subject."
        ),
    ] = None
    cluster: Annotated[
        str, Column(doc="Group of near duplicates, all in the same split.", source="run")
    ] = ""
    shape: Annotated[
        list[int], Column(doc="Shape of the stored array.", source="part", bits=32)
    ] = field(default_factory=list)
    height: Annotated[
        int, Column(doc="In pixels; 0 for signals, tables and texts.", source="part", bits=32)
    ]
    width: Annotated[
        int, Column(doc="In pixels; 0 for signals, tables and texts.", source="part", bits=32)
    ]
    channels: Annotated[
        int,
        Column(
            doc="1 for grey, 3 for RGB; 0 for signals, tables and texts.", source="part", bits=32
        ),
    ]
    meta: Annotated[
        str,
        Column(
            doc="What gives the numbers their meaning (spacing, rate, channels, units), as JSON.",
            source="part",
        ),
    ] = "{}"
    facts: Annotated[str, Column(doc="Acquisition facts, as JSON.", source="run")] = "{}"
    source: Annotated[str, Column(doc="The file it was read from, or a pseudonym of its name.")]
    source_sha256: Annotated[
        str,
        Column(
            doc="sha256 of the file it was read from; of several, over their sha256s.",
            source="run",
        ),
    ]
    shard: Annotated[
        str, Column(doc="Tar file under shards/ that holds the payload.", source="shard")
    ]
    offset: Annotated[
        int, Column(doc="Where the payload begins in the shard, in bytes.", source="shard")
    ]
    length: Annotated[int, Column(doc="Length of the payload in bytes.", source="shard")]
    members: Annotated[
        str,
        Column(
            doc="All members of the sample by extension, each with offset, length and CRC-32, as "
            "JSON.",
            source="shard",
        ),
    ] = "{}"
    crc32: Annotated[
        int, Column(doc="CRC-32 of the payload; -1 if it is unknown.", source="shard")
    ] = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """One row of the quarantine: what was left out, at which step and why."""

    source: Annotated[str, Column(doc="The file it was read from, or a pseudonym of its name.")]
    source_sha256: Annotated[str, Column(doc="sha256 of that file.")] = ""
    frame: Annotated[int, Column(doc="Number of the frame in its file, from 0.")] = 0
    step: Annotated[str, Column(doc="The step that left it out.")]
    reason: Annotated[str, Column(doc="Why it was left out.")]
    image_id: Annotated[
        str | None, Column(doc="The image that was kept instead of this duplicate.")
    ] = None


def _in_order(columns: Iterable[RecordField]) -> tuple[RecordField, ...]:
    """The columns of the manifest in its order: attributes that were added later after `sex`, what
    was added of the places in shards last."""
    named = {item.name: item for item in columns}
    added = [item for name, item in named.items() if name not in FIRST_COLUMNS]
    attributes = [item.name for item in added if item.column.source != "shard"]
    places = [item.name for item in added if item.column.source == "shard"]
    place = FIRST_COLUMNS.index("sex") + 1
    names = (*FIRST_COLUMNS[:place], *attributes, *FIRST_COLUMNS[place:], *places)
    return tuple(named[name] for name in names)


def _schema(columns: Iterable[RecordField]) -> pa.Schema:
    return pa.schema(
        [
            pa.field(
                item.name,
                pa.list_(_type(item)) if item.kind is list else _type(item),
                nullable=item.nullable,
            )
            for item in columns
        ]
    )


def _type(item: RecordField) -> pa.DataType:
    if item.item_kind is int:
        return pa.int32() if item.column.bits == 32 else pa.int64()
    return {str: pa.string(), float: pa.float64(), bool: pa.bool_()}[item.item_kind]


SAMPLE_COLUMNS = _in_order(record_fields(Sample))
"""The manifest's columns, in its order."""
LAYOUT = tuple(item.name for item in SAMPLE_COLUMNS if item.column.source == "shard")
"""Columns that say where payloads lie; they depend on their encoders and are not content."""
SAMPLES_SCHEMA = _schema(SAMPLE_COLUMNS)
QUARANTINE_SCHEMA = _schema(record_fields(Quarantined))


def with_all_columns(table: pa.Table) -> pa.Table:
    """A manifest with the attributes that an older version of medfm did not know, at defaults."""
    known = {*FIRST_COLUMNS, *table.column_names}
    absent = [item for item in SAMPLE_COLUMNS if item.name not in known]
    for item in absent:
        values = pa.array([item.default] * len(table), SAMPLES_SCHEMA.field(item.name).type)
        table = table.append_column(SAMPLES_SCHEMA.field(item.name), values)
    same = set(table.column_names) == set(SAMPLES_SCHEMA.names)
    return table.select(SAMPLES_SCHEMA.names) if same else table


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

        `seen` is called with every batch of them; `check` may raise before the file gets its name.
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
    """The sha256 that names a dataset's content, computed while its rows go by.

    It is computed over canonical JSON lines: a head with the label schema and the `FIRST_COLUMNS`,
    then every row in order without its `LAYOUT`; attributes added later follow by name where they
    are not at their default. It depends neither on pyarrow nor on how payloads are packed.
    """

    def __init__(self, labels: LabelSchema) -> None:
        self.columns = [name for name in FIRST_COLUMNS if name not in LAYOUT]
        self._digest = hashlib.sha256(
            _line({"labels": labels.model_dump(), "columns": self.columns})
        )

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in the next rows."""
        values = [batch.column(name).to_pylist() for name in self.columns]
        rows = zip(*values, strict=True)
        lines = (
            _line([*row, more] if more else row)
            for row, more in zip(rows, _later(batch), strict=True)
        )
        self._digest.update(b"".join(lines))

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


def _later(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """For every row the attributes added after the `FIRST_COLUMNS`, where they are set."""
    added = [item for item in SAMPLE_COLUMNS if item.name not in (*FIRST_COLUMNS, *LAYOUT)]
    columns = [batch.column(item.name).to_pylist() for item in added]
    for row in zip(*columns, strict=True):
        pairs = zip(added, row, strict=True)
        yield {item.name: value for item, value in pairs if value != item.default}


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
