"""`linkage.parquet`: the site's private way back from the dataset to its own files.

It lies in the run directory, outside of the dataset, and only its owner may read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.data.manifest import ParquetRows

SCHEMA = pa.schema(
    [
        (name, pa.int32() if name == "frame" else pa.string())
        for name in ("source", "path", "frame", "outcome", "image_id", "subject_id")
    ]
)
_ITEMS = (
    "SELECT i.source, f.name AS path, i.frame, i.fate, i.reason, i.subject, "
    "substr(i.content_sha, 1, 16) AS image_id, substr(t.content_sha, 1, 16) AS twin "
    "FROM items i JOIN files f ON f.number = i.file LEFT JOIN items t ON t.id = i.twin "
    "ORDER BY i.id"
)
_REFUSED = (
    "SELECT r.source, f.name AS path, r.frame, r.reason FROM refused r "
    "JOIN files f ON f.number = r.file WHERE r.source <> '' ORDER BY r.entry, r.frame, r.reason"
)


class Link(NamedTuple):
    """One row of the table."""

    source: str
    path: str
    frame: int
    outcome: str
    image_id: str
    subject_id: str


def write_linkage(path: Path, catalog: Catalog) -> None:
    """Write one row for every item and every refusal: the pseudonymous and the real name."""
    ParquetRows(path, SCHEMA, mode=0o600).write(_rows(catalog))


def _rows(catalog: Catalog) -> Iterator[Link]:
    for row in catalog.rows(_ITEMS):
        outcomes = {"kept": "kept", "duplicate": f"duplicate of {row['twin']}"}
        outcome = outcomes.get(row["fate"], row["reason"])
        yield Link(
            row["source"], row["path"], row["frame"], outcome, row["image_id"], row["subject"]
        )
    for row in catalog.rows(_REFUSED):
        yield Link(row["source"], row["path"], row["frame"], row["reason"], "", "")
