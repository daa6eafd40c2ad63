"""`linkage.parquet`: the site's private way back from the dataset to its own files.

It lies in the run directory, outside of the dataset, and only its owner may read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from medfm_cli.commands.curate.account import Account
from medfm_cli.commands.curate.images import Image
from medfm_cli.commands.curate.spool import Entry
from medfm_cli.data.manifest import ParquetRows

SCHEMA = pa.schema(
    [
        (name, pa.int32() if name == "frame" else pa.string())
        for name in ("source", "path", "frame", "outcome", "image_id", "subject_id")
    ]
)


class Link(NamedTuple):
    """One row of the table."""

    source: str
    path: str
    frame: int
    outcome: str
    image_id: str
    subject_id: str


def write_linkage(path: Path, account: Account, entries: Sequence[Entry]) -> None:
    """Write one row for every image and every refusal: the pseudonymous and the real name."""
    names = [entry.name for entry in entries]
    ParquetRows(path, SCHEMA, mode=0o600).write(_rows(account, names))


def _rows(account: Account, names: Sequence[str]) -> Iterator[Link]:
    for image in account.images:
        yield _row(image, names, "kept")
    for copy in account.duplicates:
        yield _row(copy.image, names, f"duplicate of {copy.kept.image_id}")
    for image, reason in account.dropped:
        yield _row(image, names, reason)
    for source, refused in account.refused:
        yield Link(source, names[refused.entry], refused.frame, refused.reason, "", "")


def _row(image: Image, names: Sequence[str], outcome: str) -> Link:
    row = image.row
    return Link(image.source, names[row.entry], row.frame, outcome, image.image_id, image.subject)
