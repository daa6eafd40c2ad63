"""The interface of collators, and a combination of several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medfm_cli.data.batch import Ragged

Shape = tuple[int, ...]
Tensors = dict[str, Tensor | Ragged]
Allocate = Callable[[Shape, np.dtype[Any]], Tensor]
"""Makes an empty tensor: in this process's memory, or in memory that processes share."""


class Collator(Protocol):
    """Samples → named tensors. Picklable: loading workers get a copy.

    Samples are named by their position among the rows that a loader loads. What a collator gives
    for a position depends on nothing but the sample, or batches would differ with the number of
    processes.
    """

    @property
    def groups(self) -> NDArray[np.int64]:
        """For every position its group, `[N]`: only samples of one group share a batch."""

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Of each group, the shape of a sample; for messages."""

    @property
    def nbytes(self) -> int:
        """Bytes that all samples take when they are kept in memory."""

    @property
    def largest(self) -> int:
        """Bytes of the largest sample in a batch."""

    def collate(self, positions: NDArray[np.int64], allocate: Allocate) -> Tensors:
        """The tensors of the samples at these positions, which are of one group.

        Raises:
            DataError: a sample cannot be read; it is named.
        """

    def cached(self, *, threads: int = 1) -> Collator:
        """The same, keeping every sample in memory once it is decoded."""


def in_own_memory(shape: Shape, dtype: np.dtype[Any]) -> Tensor:
    """An empty tensor, for `Collator.collate`."""
    return torch.from_numpy(np.empty(shape, dtype=dtype))


@dataclass(frozen=True)
class JoinedCollator:
    """The tensors of several collators. Their names differ, and all are for the same rows."""

    parts: tuple[Collator, ...]

    @classmethod
    def of(cls, *parts: Collator) -> Self:
        """Put collators side by side; the first one's shapes are those of the groups."""
        return cls(parts)

    @cached_property
    def _combined(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The groups, and a position in each: samples of one group are so for every part."""
        keys = np.stack([part.groups for part in self.parts], axis=1)
        _, first, groups = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        return groups.reshape(-1).astype(np.int64), first

    @property
    def groups(self) -> NDArray[np.int64]:
        """For every position its group, `[N]`."""
        return self._combined[0]

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Of each group, the shape that the first collator gives."""
        part = self.parts[0]
        return tuple(part.shapes[group] for group in part.groups[self._combined[1]].tolist())

    @property
    def nbytes(self) -> int:
        """Bytes that all samples take when they are kept in memory."""
        return sum(part.nbytes for part in self.parts)

    @property
    def largest(self) -> int:
        """Bytes of the largest sample in a batch."""
        return sum(part.largest for part in self.parts)

    def collate(self, positions: NDArray[np.int64], allocate: Allocate) -> Tensors:
        """The tensors of all parts."""
        tensors: Tensors = {}
        for part in self.parts:
            tensors |= part.collate(positions, allocate)
        return tensors

    def cached(self, *, threads: int = 1) -> JoinedCollator:
        """The same, keeping every sample in memory once it is decoded."""
        return JoinedCollator(tuple(part.cached(threads=threads) for part in self.parts))
