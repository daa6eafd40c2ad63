"""Data: readers of hospital files, the dataset store on disk, and loaders.

Names are imported when they are first used, so that a recipe can import this package cheaply.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medfm_cli.data.batch import Batch, Ragged
    from medfm_cli.data.card import Cutting, DatasetCard, DatasetLineage, LabelSchema, read_card
    from medfm_cli.data.concat import ConcatDataset
    from medfm_cli.data.dataset import Dataset
    from medfm_cli.data.loader import Loader, LoaderOptions
    from medfm_cli.data.manifest import Quarantined, Sample, source_digest
    from medfm_cli.data.shards import Location, Shard, ShardReader, ShardWriter
    from medfm_cli.data.write import write_manifest

_HOMES = {
    "Batch": "batch",
    "ConcatDataset": "concat",
    "Cutting": "card",
    "Dataset": "dataset",
    "DatasetCard": "card",
    "DatasetLineage": "card",
    "LabelSchema": "card",
    "Loader": "loader",
    "LoaderOptions": "loader",
    "Ragged": "batch",
    "Location": "shards",
    "Quarantined": "manifest",
    "Sample": "manifest",
    "Shard": "shards",
    "ShardReader": "shards",
    "ShardWriter": "shards",
    "read_card": "card",
    "source_digest": "manifest",
    "write_manifest": "write",
}

__all__ = [
    "Batch",
    "ConcatDataset",
    "Cutting",
    "Dataset",
    "DatasetCard",
    "DatasetLineage",
    "LabelSchema",
    "Loader",
    "LoaderOptions",
    "Location",
    "Quarantined",
    "Ragged",
    "Sample",
    "Shard",
    "ShardReader",
    "ShardWriter",
    "read_card",
    "source_digest",
    "write_manifest",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
