"""The samples of a ledger as they lie in the written dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from medfm_cli.data.content import Content
from medfm_cli.data.dataset import Dataset
from medfm_cli.data.manifest import Sample


def image_id(content_sha: str) -> str:
    """The name that a sample of the ledger has in the manifest."""
    return content_sha[:16]


class Stored:
    """Looks samples up by the hash of their content; of one in many parts its middle part."""

    def __init__(self, root: Path) -> None:
        self.dataset = Dataset.open(root)

    def contents(self, shas: Iterable[str]) -> Iterator[tuple[str, Content]]:
        """The contents of some samples, in the manifest's order, each with its hash."""
        wanted = {image_id(sha): sha for sha in shas}
        for name, row in self._rows(wanted):
            yield wanted[name], self.dataset.content(row)

    def sample(self, sha: str) -> tuple[Sample, Content, NDArray[Any] | None]:
        """The manifest's row of a sample, its content and its mask.

        Raises:
            KeyError: the dataset does not hold it.
        """
        rows = dict(self._rows({image_id(sha): sha}))
        row = rows[image_id(sha)]
        told = Sample(**self.dataset.samples.slice(row, 1).to_pylist()[0])
        return told, self.dataset.content(row), self.dataset.mask(row)

    def _rows(self, wanted: dict[str, str]) -> list[tuple[str, int]]:
        """The middle row of each of some samples, by its name."""
        column = self.dataset.samples.column("image_id")
        found = pc.is_in(column, value_set=pa.array(list(wanted), pa.string()))
        rows = np.flatnonzero(found.to_numpy())
        parts: dict[str, list[int]] = {}
        for row in rows.tolist():
            parts.setdefault(column[row].as_py(), []).append(row)
        return sorted(
            ((name, places[len(places) // 2]) for name, places in parts.items()),
            key=lambda pair: pair[1],
        )
