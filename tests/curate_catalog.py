"""A catalog with samples in it, as the steps of a curation find it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from medfm_cli.commands.curate.catalog import Catalog

BLANK: dict[str, Any] = {
    "block": 0,
    "file": 0,
    "entry": 0,
    "unit": 0,
    "frame": 0,
    "part": "",
    "file_sha": "",
    "kind": "image",
    "height": 28,
    "width": 28,
    "channels": 1,
    "shape": "[28, 28]",
    "parts": "[]",
    "facts": "{}",
    "meta": "{}",
    "phash": None,
    "thumb": None,
    "subject": "",
    "known": 0,
    "study": "",
    "site": "",
    "modality": "",
    "anatomy": "",
    "time": "",
    "age": None,
    "sex": "",
    "label": None,
    "labels": None,
    "official": "",
    "text": "",
    "turns": "",
    "boxes": "",
    "notes": "",
    "fate": "kept",
    "cluster": None,
    "split": "",
}
"""A sample of which nothing is known."""


def ledger_of(path: Path | str, samples: Iterable[Mapping[str, Any]]) -> Catalog:
    """A catalog with these samples; `labels` is a list. Ids and hashes are numbered from 1."""
    catalog = Catalog(Path(path))
    columns = ["id", "content_sha", *BLANK]

    def rows() -> Iterable[list[Any]]:
        for number, sample in enumerate(samples, 1):
            row = {"id": number, "content_sha": f"{number:064x}"} | BLANK | dict(sample)
            row["labels"] = None if row["labels"] is None else json.dumps(row["labels"])
            yield [row[name] for name in columns]

    catalog.insert("items", columns, rows())
    catalog.index("items")
    return catalog
