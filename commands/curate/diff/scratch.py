"""Two data sets side by side in a scratch file: identities as they are, other values as hashes."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from medfm_cli.data.card import DAMAGED_HINT, DatasetCard, read_card
from medfm_cli.data.manifest import (
    FIRST_COLUMNS,
    LAYOUT,
    MANIFEST_FILE,
    QUARANTINE_FILE,
    SAMPLE_COLUMNS,
    SAMPLES_SCHEMA,
)
from medfm_cli.errors import DataError
from medfm_cli.runs.artefacts import find

Side = Literal["old", "new"]
PLAIN = ("sample_id", "subject_id", "split", "label", "source_sha256")
"""Columns that are kept as they are; `label` holds the labels of a sample that may have several."""
HASHED = tuple(
    name for name in SAMPLES_SCHEMA.names if name not in (*PLAIN, *LAYOUT, "labels", "image_id")
)
QUARANTINE = ("source", "source_sha256", "frame", "step", "reason")
_LATER = {item.name: item.default for item in SAMPLE_COLUMNS if item.name not in FIRST_COLUMNS}
"""Attributes that manifests of older versions do not have, with their defaults."""
CHUNK = 8192


class DiffTables:
    """The rows of two data sets; `db` has the tables `old`, `new`, `old_left` and `new_left`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def rows(self, sql: str, *args: Any) -> Iterator[Any]:
        """The rows of a query."""
        yield from self.db.execute(sql, args)

    def one(self, sql: str, *args: Any) -> Any:
        """The only value of a query."""
        return self.db.execute(sql, args).fetchone()[0]

    def load(self, side: Side, root: Path) -> DatasetCard:
        """Read a data set into its tables; gives its card.

        Raises:
            DataError: it is damaged or of another format.
        """
        card = read_card(root)
        columns = ", ".join(f"{name} INTEGER" for name in HASHED)
        self.db.execute(
            f"CREATE TABLE {side} (id TEXT PRIMARY KEY, subject TEXT, split TEXT, label TEXT, "
            f"sha TEXT, {columns}) WITHOUT ROWID"
        )
        marks = ", ".join("?" * (len(PLAIN) + len(HASHED)))
        self.db.executemany(f"INSERT INTO {side} VALUES ({marks})", _samples(root))
        self.db.execute(f"CREATE INDEX {side}_subject ON {side} (subject)")
        self.db.execute(
            f"CREATE TABLE {side}_left (source TEXT, sha TEXT, frame INTEGER, step TEXT, reason "
            "TEXT)"
        )
        left = _values(root / QUARANTINE_FILE, QUARANTINE)
        self.db.executemany(f"INSERT INTO {side}_left VALUES (?, ?, ?, ?, ?)", left)
        for column in ("source, frame", "sha"):
            name = f"{side}_left_{column[:3]}"
            self.db.execute(f"CREATE INDEX {name} ON {side}_left ({column})")
        return card


@contextmanager
def opened(old: str, new: str) -> Iterator[tuple[DiffTables, DatasetCard, DatasetCard]]:
    """Both data sets, read; the scratch file is gone afterwards.

    Raises:
        DataError: one is not there, damaged, or of another format.
    """
    roots = find(old, "dataset"), find(new, "dataset")
    with tempfile.TemporaryDirectory(prefix="medfm-diff-") as folder:
        db = sqlite3.connect(Path(folder) / "diff.sqlite", isolation_level=None)
        try:
            for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -16384"):
                db.execute(f"PRAGMA {pragma}")
            db.execute("BEGIN")
            tables = DiffTables(db)
            cards = tables.load("old", roots[0]), tables.load("new", roots[1])
            yield tables, *cards
        finally:
            db.close()


def _samples(root: Path) -> Iterator[list[Any]]:
    names = (*PLAIN, "labels", *HASHED)
    several = len(PLAIN)
    for values in _values(root / MANIFEST_FILE, names):
        if (labels := values.pop(several)) is not None:
            values[PLAIN.index("label")] = json.dumps(labels, ensure_ascii=False)
        yield [*values[:several], *map(_short, values[several:])]


def _values(path: Path, columns: tuple[str, ...]) -> Iterator[list[Any]]:
    """The rows of a parquet file, some of its columns."""
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(CHUNK, columns=list(columns)):
                cells = [_cells(batch, name) for name in columns]
                yield from map(list, zip(*cells, strict=True))
    except (OSError, KeyError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"cannot read {path}: {reason}", hint=DAMAGED_HINT) from None


def _cells(batch: pa.RecordBatch, column: str) -> list[Any]:
    """The cells of a column; an attribute that an older manifest does not have is at its default.

    Raises:
        KeyError: the file has no such column.
    """
    if column in _LATER and column not in batch.schema.names:
        return [_LATER[column]] * len(batch)
    cells: list[Any] = batch.column(column).to_pylist()
    return cells


def _short(value: Any) -> int | None:
    """64 bits that tell values apart."""
    if value is None:
        return None
    text = json.dumps(value, ensure_ascii=False)
    data = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(data, signed=True)
