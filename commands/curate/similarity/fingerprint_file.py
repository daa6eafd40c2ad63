"""`fingerprints.parquet` beside the manifest: what its images look like.

A later curation can so tell whether it holds near copies of this dataset's images without reading
them. Beside them stands which key made the pseudonyms, without which subjects of two datasets
cannot be compared; the key itself does not follow from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from medfm_cli.commands.curate.similarity.perceptual import SIDE
from medfm_cli.data.manifest import FINGERPRINTS_FILE
from medfm_cli.errors import DataError
from medfm_cli.runs.atomic import aside

METHOD = "phash63-1"
"""Names how hashes are made; fingerprints of another method are not comparable."""
CHUNK = 4096
"""Rows that are held in memory: 4 MB of small images."""
_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("phash", pa.int64(), nullable=False),
        pa.field("thumb", pa.binary(SIDE * SIDE), nullable=False),
    ]
)


class Seen(NamedTuple):
    """What one image looks like: its id, hash and 32×32 grey bytes."""

    image_id: str
    phash: int
    thumb: bytes


def write_fingerprints(root: Path, rows: Iterable[Seen], *, key: str) -> int:
    """Write the fingerprints of a dataset into its folder; gives how many there are.

    Args:
        root: the dataset's folder.
        rows: streamed; their order is the file's.
        key: identifies the key of the pseudonyms (`Pseudonyms.fingerprint`).
    """
    root.mkdir(parents=True, exist_ok=True)
    schema = _SCHEMA.with_metadata({"method": METHOD, "key": key})
    iterator, count = iter(rows), 0
    with (
        aside(root / FINGERPRINTS_FILE) as path,
        pq.ParquetWriter(path, schema, compression="zstd") as writer,
    ):
        while chunk := list(islice(iterator, CHUNK)):
            columns = [
                pa.array(list(column), type=field.type)
                for column, field in zip(zip(*chunk, strict=True), schema, strict=True)
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            count += len(chunk)
    return count


def has_fingerprints(root: Path) -> bool:
    """Whether a dataset's folder has them, and of this method."""
    path = root / FINGERPRINTS_FILE
    return path.is_file() and _metadata(path).get(b"method") == METHOD.encode()


def key_of(root: Path) -> str | None:
    """Which key made a dataset's pseudonyms; None where that is not known."""
    path = root / FINGERPRINTS_FILE
    found = _metadata(path).get(b"key", b"").decode("ascii", "replace") if path.is_file() else ""
    return found or None


def read_fingerprints(root: Path) -> Iterator[Seen]:
    """The fingerprints in a dataset's folder, streamed.

    Raises:
        DataError: the file is damaged.
    """
    path = root / FINGERPRINTS_FILE
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(_SCHEMA):
                raise DataError(f"{path} holds no fingerprints")
            for batch in file.iter_batches(batch_size=CHUNK):
                columns = (column.to_pylist() for column in batch.columns)
                yield from (Seen(*row) for row in zip(*columns, strict=True))
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from None


def _metadata(path: Path) -> dict[bytes, bytes]:
    try:
        return dict(pq.read_schema(path).metadata or {})
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"cannot read {path}: {str(error).splitlines()[0]}",
        hint="copy the dataset again, or curate its source again",
    )
