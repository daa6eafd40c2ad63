"""Samples fitted to the network's input, and their masks: arrays of one shape in a batch."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from medfm_cli.data.collators.base import Allocate, Shape, Tensors
from medfm_cli.errors import DataError

if TYPE_CHECKING:
    from medfm_cli.data.concat import AnyDataset, Contents
    from medfm_cli.data.inputs import AnyInput


@dataclass(frozen=True, kw_only=True)
class ArrayCollator:
    """`values` `[b, C, *space]`: every sample as `input.fit` gives it.

    Attributes:
        contents: the samples by row.
        rows: of the dataset, by position.
        input: how a sample is fitted.
        shapes: of the inputs, `(C, *space)`: one, or for volumes one a depth.
        groups: for every position the index of its shape, int64 `[len(rows)]`.
    """

    name: ClassVar[str] = "values"

    contents: Contents
    rows: NDArray[np.int64]
    input: AnyInput
    shapes: tuple[Shape, ...]
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, dataset: AnyDataset, rows: NDArray[np.int64], network_input: AnyInput) -> Self:
        """The rows of a dataset as inputs of a network."""
        shapes, groups = _shapes(dataset, rows, network_input)
        return cls(
            contents=dataset.contents,
            rows=rows,
            input=network_input,
            shapes=shapes,
            groups=groups,
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the arrays."""
        return np.dtype(self.input.dtype)

    @property
    def nbytes(self) -> int:
        """Bytes of all samples together, fitted."""
        counts = np.bincount(self.groups, minlength=len(self.shapes)).tolist()
        sizes = [math.prod(shape) * self.dtype.itemsize for shape in self.shapes]
        return sum(count * size for count, size in zip(counts, sizes, strict=True))

    @property
    def largest(self) -> int:
        """Bytes of the largest array."""
        return max(math.prod(shape) for shape in self.shapes) * self.dtype.itemsize

    def collate(self, positions: NDArray[np.int64], allocate: Allocate) -> Tensors:
        """As `read`, under the collator's name."""
        values = allocate(self._shape(positions), self.dtype)
        self._read_into(values.numpy(), positions)
        return {self.name: values}

    def read(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """The samples at these positions, of one group: `[len(positions), C, *space]`.

        Raises:
            DataError: a sample cannot be read or fitted; it is named.
        """
        values = np.empty(self._shape(positions), dtype=self.dtype)
        self._read_into(values, positions)
        return values

    def cached(self, *, threads: int = 1) -> CachedArrays:
        """The same, keeping every array in memory once it is decoded."""
        return CachedArrays(self, threads=threads)

    def one(self, row: int) -> NDArray[Any]:
        """One sample by its row: `[C, *space]`."""
        content = self.contents.content(row)
        try:
            return self.input.fit(content)
        except DataError as error:
            raise self._unusable(row, error) from None

    def _shape(self, positions: NDArray[np.int64]) -> Shape:
        group = int(self.groups[positions[0]]) if len(positions) else 0
        return len(positions), *self.shapes[group]

    def _read_into(self, values: NDArray[Any], positions: NDArray[np.int64]) -> None:
        rows = self.rows[positions].tolist()
        self.contents.announce(rows)
        for index, row in enumerate(rows):
            values[index] = self.one(row)

    def _unusable(self, row: int, error: DataError) -> DataError:
        sample = self.contents.sample_id(row)
        return DataError(f"cannot use sample {sample}: {error.message}", hint=error.hint)


class MaskCollator(ArrayCollator):
    """`mask` int16 `[b, S, S]` (volumes `[b, D, S, S]`): the segmentation, cut as the sample is.

    It holds the indices of classes, 0 for background and for what pads the sample, and −1
    everywhere where a sample has no mask.
    """

    name: ClassVar[str] = "mask"

    @classmethod
    def of(cls, dataset: AnyDataset, rows: NDArray[np.int64], network_input: AnyInput) -> Self:
        """The masks of the rows of a dataset.

        Raises:
            DataError: the network sees neither images nor volumes.
        """
        if network_input.kind not in ("image", "volume"):
            raise DataError(f"inputs of kind {network_input.kind} have no masks")
        whole = super().of(dataset, rows, network_input)
        shapes = tuple(shape[1:] for shape in whole.shapes)
        return cls(
            contents=whole.contents,
            rows=rows,
            input=network_input,
            shapes=shapes,
            groups=whole.groups,
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the masks."""
        return np.dtype(np.int16)

    def one(self, row: int) -> NDArray[Any]:
        """One mask by its sample's row: `[S, S]` or `[D, S, S]`, or one −1 for all."""
        mask = self.contents.mask(row)
        if mask is None:
            return np.array(-1, dtype=np.int16)
        if mask.max(initial=0) > np.iinfo(np.int16).max:
            raise self._unusable(row, DataError("its mask has a class above 32767"))
        if self.input.kind == "volume":
            return self.input.fit_mask(mask, self.contents.spacing(row)).astype(np.int16)
        if self.input.kind == "image":
            return self.input.fit_mask(mask).astype(np.int16)
        raise AssertionError(self.input.kind)


class CachedArrays:
    """Arrays kept in memory from the first time they are read."""

    def __init__(self, source: ArrayCollator, *, threads: int = 1) -> None:
        self._source = source
        self._threads = threads
        counts = np.bincount(source.groups, minlength=len(source.shapes)).tolist()
        self._values = [
            np.empty((count, *shape), dtype=source.dtype)
            for count, shape in zip(counts, source.shapes, strict=True)
        ]
        self._index_in_group = _index_in_group(source.groups, len(counts))
        self._present = np.zeros(len(source.rows), dtype=bool)

    @property
    def groups(self) -> NDArray[np.int64]:
        """As the source's."""
        return self._source.groups

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """As the source's."""
        return self._source.shapes

    @property
    def nbytes(self) -> int:
        """Bytes of all samples together."""
        return self._source.nbytes

    @property
    def largest(self) -> int:
        """Bytes of the largest array."""
        return self._source.largest

    def collate(self, positions: NDArray[np.int64], allocate: Allocate) -> Tensors:
        """As `ArrayCollator.collate`."""
        del allocate
        if not self._present[positions].all():
            self._fill(positions[~self._present[positions]])
        stored = self._values[self._group(positions)]
        values = stored.take(self._index_in_group[positions], axis=0)
        return {self._source.name: torch.from_numpy(values)}

    def cached(self, *, threads: int = 1) -> CachedArrays:
        """Itself."""
        del threads
        return self

    def _fill(self, positions: NDArray[np.int64]) -> None:
        parts = np.array_split(positions, min(self._threads, len(positions)))
        stored = self._values[self._group(positions)]
        with ThreadPoolExecutor(len(parts)) as pool:
            for part, values in zip(parts, pool.map(self._source.read, parts), strict=True):
                stored[self._index_in_group[part]] = values
        self._present[positions] = True

    def _group(self, positions: NDArray[np.int64]) -> int:
        return int(self.groups[positions[0]]) if len(positions) else 0


def _shapes(
    dataset: AnyDataset, rows: NDArray[np.int64], network_input: AnyInput
) -> tuple[tuple[Shape, ...], NDArray[np.int64]]:
    """The shapes of these rows' inputs in ascending order, and for each row which it is."""
    if network_input.kind != "volume":
        return (network_input.shape,), np.zeros(len(rows), dtype=np.int64)
    table = dataset.samples.select(["kind", "shape"]).take(rows)
    kinds, stored = (table.column(name).to_pylist() for name in ("kind", "shape"))
    row_shapes = [network_input.shape_of(*each) for each in zip(kinds, stored, strict=True)]
    shapes = sorted(set(row_shapes)) or [network_input.shape]
    numbers = {shape: number for number, shape in enumerate(shapes)}
    return tuple(shapes), np.asarray([numbers[shape] for shape in row_shapes], dtype=np.int64)


def _index_in_group(groups: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """For every position how many of its group come before it."""
    index = np.empty(len(groups), dtype=np.int64)
    for group in range(count):
        members = np.flatnonzero(groups == group)
        index[members] = np.arange(len(members))
    return index
