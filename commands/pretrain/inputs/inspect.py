"""Read samples' metadata from the manifest, and subsample rows evenly."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.data.dataset import Dataset

Resolve = Callable[[str, Any, str], None]
MOST = 4096
"""Most samples whose metadata is read, evenly spaced over all."""


class SampleMetadata(NamedTuple):
    """The stored shape and the metadata of a sample in the manifest."""

    shape: list[int]
    meta: dict[str, Any]

    @property
    def seconds(self) -> float:
        """Length of a signal or a recording."""
        return self.shape[-1] / float(self.meta["rate"])


def read_metadata(dataset: Dataset, rows: NDArray[np.int64]) -> list[SampleMetadata]:
    """The metadata of the rows, or of `MOST` of them."""
    table = dataset.samples.select(["shape", "meta"]).take(evenly_spaced(rows, MOST))
    shapes, metas = (table.column(name).to_pylist() for name in ("shape", "meta"))
    return [
        SampleMetadata(shape, json.loads(meta)) for shape, meta in zip(shapes, metas, strict=True)
    ]


def evenly_spaced(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most `most` of the rows, evenly spaced."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]


def most_common(values: Iterable[float]) -> tuple[float, int]:
    """The most frequent value (of several the smallest), and its count."""
    counts = Counter(values)
    value = min(counts, key=lambda each: (-counts[each], each))
    return value, counts[value]
