"""Samples fitted to the model's input: decoded in a batch, or kept in memory once decoded."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import DataError

if TYPE_CHECKING:
    from medfm_cli.data.content_store import ContentStore
    from medfm_cli.data.dataset import Dataset
    from medfm_cli.data.inputs import AnyInput

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Read, decode and fit the samples at some positions of `rows`.

    Picklable: this is what a loading worker gets.

    Attributes:
        contents: the samples by row.
        rows: of the manifest.
        input: how a sample is fitted.
        shapes: of the inputs, `(C, *space)`: one, or for volumes one a depth.
        groups: for every position the index of its shape, int64 `[len(rows)]`. Only inputs of one
            shape can be read at once.
    """

    contents: ContentStore
    rows: NDArray[np.int64]
    input: AnyInput
    shapes: tuple[Shape, ...]
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, dataset: Dataset, rows: NDArray[np.int64], wanted: AnyInput) -> Fitted:
        """The rows of a dataset as inputs of a network."""
        shapes, groups = _shapes(dataset, rows, wanted)
        return cls(contents=dataset.contents, rows=rows, input=wanted, shapes=shapes, groups=groups)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the inputs."""
        return np.dtype(self.input.dtype)

    @property
    def nbytes(self) -> int:
        """Bytes of all samples together, fitted."""
        counts = np.bincount(self.groups, minlength=len(self.shapes)).tolist()
        sizes = [math.prod(shape) * self.dtype.itemsize for shape in self.shapes]
        return sum(count * size for count, size in zip(counts, sizes, strict=True))

    @property
    def largest(self) -> int:
        """Bytes of the largest input."""
        return max(math.prod(shape) for shape in self.shapes) * self.dtype.itemsize

    def shape(self, positions: NDArray[np.int64]) -> Shape:
        """The shape of the samples at these positions together, which are of one group."""
        group = int(self.groups[positions[0]]) if len(positions) else 0
        return len(positions), *self.shapes[group]

    def read(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """The samples at these positions, of one group: `[len(positions), C, *space]`.

        Raises:
            DataError: a sample cannot be read or fitted; it is named.
        """
        values = np.empty(self.shape(positions), dtype=self.dtype)
        self.read_into(values, positions)
        return values

    def read_into(self, values: NDArray[Any], positions: NDArray[np.int64]) -> None:
        """As `read`, into memory that is there already."""
        rows = self.rows[positions].tolist()
        self.contents.store.announce(rows)
        for index, row in enumerate(rows):
            values[index] = self.one(row)

    def one(self, row: int) -> NDArray[Any]:
        """One sample by its row: `[C, *space]`."""
        content = self.contents.content(row)
        try:
            return self.input.fit(content)
        except DataError as error:
            sample = self.contents.store.sample_id(row)
            raise DataError(
                f"cannot use sample {sample}: {error.message}", hint=error.hint
            ) from None


class Cached:
    """Fitted samples kept in memory from the first time they are asked for."""

    def __init__(self, source: Fitted, *, threads: int = 1) -> None:
        self._source = source
        self._threads = threads
        counts = np.bincount(source.groups, minlength=len(source.shapes)).tolist()
        self._values = [
            np.empty((count, *shape), dtype=source.dtype)
            for count, shape in zip(counts, source.shapes, strict=True)
        ]
        self._places = _places_within(source.groups, len(counts))
        self._there = np.zeros(len(source.rows), dtype=bool)

    def read(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """As `Fitted.read`."""
        if not self._there[positions].all():
            self._fill(positions[~self._there[positions]])
        kept = self._values[self._group(positions)]
        return kept.take(self._places[positions], axis=0)

    def _fill(self, positions: NDArray[np.int64]) -> None:
        parts = np.array_split(positions, min(self._threads, len(positions)))
        kept = self._values[self._group(positions)]
        with ThreadPoolExecutor(len(parts)) as pool:
            for part, values in zip(parts, pool.map(self._source.read, parts), strict=True):
                kept[self._places[part]] = values
        self._there[positions] = True

    def _group(self, positions: NDArray[np.int64]) -> int:
        return int(self._source.groups[positions[0]]) if len(positions) else 0


def _shapes(
    dataset: Dataset, rows: NDArray[np.int64], wanted: AnyInput
) -> tuple[tuple[Shape, ...], NDArray[np.int64]]:
    """The shapes of these rows' inputs in ascending order, and for each row which it is."""
    if wanted.kind != "volume":
        return (wanted.shape,), np.zeros(len(rows), dtype=np.int64)
    table = dataset.samples.select(["kind", "shape"]).take(rows)
    kinds, stored = (table.column(name).to_pylist() for name in ("kind", "shape"))
    found = [wanted.shape_of(*each) for each in zip(kinds, stored, strict=True)]
    shapes = sorted(set(found)) or [wanted.shape]
    numbers = {shape: number for number, shape in enumerate(shapes)}
    return tuple(shapes), np.asarray([numbers[shape] for shape in found], dtype=np.int64)


def _places_within(groups: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """For every position how many of its group come before it."""
    places = np.empty(len(groups), dtype=np.int64)
    for group in range(count):
        members = np.flatnonzero(groups == group)
        places[members] = np.arange(len(members))
    return places
