"""Several datasets as one, with the source of every row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medfm_cli.errors import DataError
from medfm_cli.samples.content import Content

if TYPE_CHECKING:
    from medfm_cli.data.dataset import Dataset


class Contents(Protocol):
    """The samples of a dataset by row, as loading workers need them."""

    def content(self, row: int) -> Content:
        """The sample of a row."""

    def mask(self, row: int) -> NDArray[Any] | None:
        """Its segmentation, None without one."""

    def spacing(self, row: int) -> tuple[float, float, float] | None:
        """The voxel spacing of a volume, None where it is unknown."""

    def announce(self, rows: Iterable[int]) -> None:
        """Let the system fetch these rows' bytes from disk."""

    def sample_id(self, row: int) -> str:
        """The id of the sample in this row."""


class AnyDataset(Protocol):
    """What a loader needs of a dataset."""

    @property
    def samples(self) -> pa.Table:
        """The manifest."""

    @property
    def contents(self) -> Contents:
        """The samples by row."""

    def labels(self) -> NDArray[np.int64]:
        """For every row the index of its class, −1 where it has none."""


@dataclass(frozen=True)
class ConcatContents:
    """The samples of several datasets by their rows in all of them together."""

    parts: tuple[Contents, ...]
    starts: NDArray[np.int64]

    def content(self, row: int) -> Content:
        """The sample of a row."""
        part, local = self._locate(row)
        return part.content(local)

    def mask(self, row: int) -> NDArray[Any] | None:
        """Its segmentation, None without one."""
        part, local = self._locate(row)
        return part.mask(local)

    def spacing(self, row: int) -> tuple[float, float, float] | None:
        """The voxel spacing of a volume, None where it is unknown."""
        part, local = self._locate(row)
        return part.spacing(local)

    def announce(self, rows: Iterable[int]) -> None:
        """Let the system fetch these rows' bytes from disk."""
        for row in rows:
            part, local = self._locate(row)
            part.announce([local])

    def sample_id(self, row: int) -> str:
        """The id of the sample in this row."""
        part, local = self._locate(row)
        return part.sample_id(local)

    def _locate(self, row: int) -> tuple[Contents, int]:
        source = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.parts[source], row - int(self.starts[source])


class ConcatDataset:
    """Datasets one after the other: row 0 of the second follows the last row of the first.

    Labels are indices into one list of classes: `classes`, or the classes of all datasets in the
    order in which they first occur. A class-incremental sequence gives the same list every time,
    so that labels keep their numbers.

    Raises:
        DataError: a dataset has a class that is not in `classes`.
    """

    def __init__(
        self, datasets: Sequence[Dataset], *, classes: Sequence[str] | None = None
    ) -> None:
        if not datasets:
            raise ValueError("there are no datasets")
        self.datasets = tuple(datasets)
        names = list(dict.fromkeys(name for each in datasets for name in each.classes))
        self.classes = names if classes is None else list(classes)
        for dataset in datasets:
            if unknown := set(dataset.classes) - set(self.classes):
                raise DataError(
                    f"the dataset '{dataset.card.name}' has the class {min(unknown)!r}, "
                    "which is none of those that labels are mapped to"
                )
        self._starts = np.cumsum([0, *(len(each) for each in datasets)])[:-1]

    def __len__(self) -> int:
        return sum(len(each) for each in self.datasets)

    @property
    def version(self) -> str:
        """The sha256 (hex) that names the content: of the versions in their order."""
        text = "\n".join(each.version for each in self.datasets)
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def samples(self) -> pa.Table:
        """The manifests one after the other, without a copy."""
        return pa.concat_tables([each.samples for each in self.datasets])

    @cached_property
    def contents(self) -> ConcatContents:
        """The samples by row."""
        return ConcatContents(tuple(each.contents for each in self.datasets), self._starts)

    def labels(self) -> NDArray[np.int64]:
        """For every row the index of its label in `classes`, −1 where it has none."""
        parts = []
        for dataset in self.datasets:
            indices = [self.classes.index(name) for name in dataset.classes]
            parts.append(np.array([*indices, -1], dtype=np.int64)[dataset.labels()])
        return np.concatenate(parts)

    def rows(self, split: str | None = None, **filters: Any) -> NDArray[np.int64]:
        """The rows of a split in all datasets; `filters` are those of `Dataset.rows`."""
        parts = [each.rows(split, **filters) for each in self.datasets]
        return self.join(parts)

    def join(self, parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """Rows of each dataset, in the datasets' order, as rows of all together."""
        shifted = [rows + start for rows, start in zip(parts, self._starts, strict=True)]
        return np.concatenate(shifted).astype(np.int64)

    def source(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each row the number of the dataset that it is of."""
        return np.searchsorted(self._starts, rows, side="right").astype(np.int64) - 1

    def sample_id(self, row: int) -> str:
        """The id of the sample in this row."""
        return self.contents.sample_id(row)
