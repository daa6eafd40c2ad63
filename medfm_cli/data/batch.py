"""A batch: named tensors, dense or ragged, with one row for each sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths, one after the other: tokens of texts, boxes of images.

    `torch.nested` holds the same, but is a prototype that changes from release to release.

    Attributes:
        values: `[sum of lengths, …]`.
        offsets: int64 `[b + 1]`, from 0: row i is `values[offsets[i]:offsets[i + 1]]`. It stays on
            the CPU, so that taking rows never waits for a GPU.
    """

    values: Tensor
    offsets: Tensor

    @classmethod
    def of(cls, rows: Sequence[Tensor]) -> Self:
        """Join rows `[n_i, …]`, at least one, that differ only in their length."""
        lengths = torch.tensor([0, *(len(row) for row in rows)], dtype=torch.int64)
        return cls(torch.cat(list(rows)), lengths.cumsum(0))

    def __post_init__(self) -> None:
        if self.offsets.ndim != 1 or len(self.offsets) < 1:
            raise ValueError("the offsets are one number more than there are rows")
        if int(self.offsets[0]) or int(self.offsets[-1]) != len(self.values):
            raise ValueError("the offsets run from 0 to the number of values")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> Tensor:
        """The values of one row, `[n, …]`."""
        row = range(len(self))[row]
        return self.values[int(self.offsets[row]) : int(self.offsets[row + 1])]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[row] for row in range(len(self)))

    @property
    def lengths(self) -> Tensor:
        """The length of each row: int64 `[b]`, on the CPU."""
        return self.offsets.diff()

    @property
    def row_of_value(self) -> Tensor:
        """For each value the number of its row: int64 `[sum of lengths]`, on the values' device."""
        numbers = torch.arange(len(self)).repeat_interleave(self.lengths)
        return numbers.to(self.values.device, non_blocking=True)

    def padded(self, fill: float) -> Tensor:
        """The rows filled up to the longest: `[b, longest, …]`."""
        return torch.nn.utils.rnn.pad_sequence(list(self), batch_first=True, padding_value=fill)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Self:
        """The same rows with their values on `device`."""
        return type(self)(self.values.to(device, non_blocking=non_blocking), self.offsets)

    def keep(self, chosen: Tensor) -> Self:
        """The values that are `chosen` (bool, one for each) in the rows they are in."""
        lengths = self.row_of_value[chosen].bincount(minlength=len(self)).cpu()
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        return type(self)(self.values[chosen], offsets)

    def part(self, start: int, stop: int) -> Self:
        """The rows `start` … `stop`−1, without a copy of their values."""
        first, last, _ = slice(start, stop).indices(len(self))
        offsets = self.offsets[first : max(first, last) + 1]
        return type(self)(self.values[int(offsets[0]) : int(offsets[-1])], offsets - offsets[0])


class Batch:
    """One process's part of a global batch: named tensors, the same number of rows in each.

    A name is an item (`batch["mask"]`) and an attribute (`batch.mask`). `Loader` gives at least
    `values`, `labels` and `rows`; a collator says what else it gives (`data.collate`).

    Raises:
        ValueError: a tensor has another number of rows than `rows`.
    """

    def __init__(self, *, rows: Tensor, **tensors: Tensor | Ragged) -> None:
        self._tensors: dict[str, Tensor | Ragged] = {**tensors, "rows": rows}
        for name, tensor in tensors.items():
            if len(tensor) != len(rows):
                raise ValueError(f"{name} has {len(tensor)} rows in a batch of {len(rows)}")

    @property
    def rows(self) -> Tensor:
        """Int64 `[b]`: rows of the dataset, by which `Dataset.sample_id` names the samples."""
        return cast("Tensor", self._tensors["rows"])

    @property
    def values(self) -> Tensor:
        """The samples `[b, C, *space]` as the preprocessing fits them (images: uint8)."""
        return cast("Tensor", self._tensors["values"])

    @property
    def labels(self) -> Tensor:
        """Int64 `[b]`, −1 where a sample has none."""
        return cast("Tensor", self._tensors["labels"])

    @property
    def names(self) -> tuple[str, ...]:
        """What the batch holds."""
        return tuple(self._tensors)

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def __getitem__(self, name: str) -> Any:
        return self._tensors[name]

    def __getattr__(self, name: str) -> Any:
        # A copy or an unpickled batch asks for names before it has its tensors.
        if not name.startswith("_") and name in self._tensors:
            return self._tensors[name]
        raise AttributeError(f"the batch has no {name!r}")

    def __repr__(self) -> str:
        return f"Batch({', '.join(self.names)}: {len(self)} rows)"

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Self:
        """The same batch on `device`."""
        moved = {
            name: tensor.to(device, non_blocking=non_blocking)
            for name, tensor in self._tensors.items()
        }
        return self._made_of(moved)

    def part(self, start: int, stop: int) -> Self:
        """The rows `start` … `stop`−1 of every tensor."""
        return self._made_of(
            {
                name: tensor.part(start, stop) if isinstance(tensor, Ragged) else tensor[start:stop]
                for name, tensor in self._tensors.items()
            }
        )

    def replace(self, **tensors: Tensor | Ragged) -> Self:
        """The batch with some tensors added or replaced."""
        return self._made_of({**self._tensors, **tensors})

    @classmethod
    def join(cls, batches: Sequence[Self]) -> Self:
        """Batches with the same names, at least one, after each other."""
        joined = {name: _joined([batch[name] for batch in batches]) for name in batches[0].names}
        return cls._made_of(joined)

    @classmethod
    def _made_of(cls, tensors: dict[str, Any]) -> Self:
        return cls(**tensors)


def _joined(tensors: Sequence[Any]) -> Tensor | Ragged:
    if isinstance(tensors[0], Ragged):
        return Ragged.of([row for ragged in tensors for row in ragged])
    return torch.cat(list(tensors))
