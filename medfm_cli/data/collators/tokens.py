"""The texts of samples as token sequences, those of like length in one batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray

from medfm_cli.data.batch import Ragged
from medfm_cli.data.collators.base import Allocate, Shape, Tensors

MULTIPLE = 8
"""Bucket bounds are multiples of this, as the matrix units of GPUs like it."""


class TokenSource(Protocol):
    """Token sequences by number; `data.tokens.TokenTable` is one."""

    def whole(self, row: int) -> NDArray[np.int32]:
        """All tokens of a text."""

    def lengths(self, rows: Iterable[int]) -> NDArray[np.int64]:
        """How many tokens each text has."""


@dataclass(frozen=True, kw_only=True)
class TokenCollator:
    """`tokens` int64 and `token_counts` int64 `[b]`, the weights of a loss that is per token.

    `tokens` are `[b, L]`, padded to the longest of this process's part of the batch, beside
    `attention_mask` bool `[b, L]`; or `Ragged` without padding. Texts are cut to `length`.

    Attributes:
        source: the tokens.
        rows: for every position the number of its text in `source`.
        pad: the token that fills up a row; None for ragged tokens.
        length: the most tokens of a text.
        bounds: the longest text of each length bucket, ascending.
        groups: for every position its bucket.
    """

    source: TokenSource
    rows: NDArray[np.int64]
    pad: int | None
    length: int
    bounds: tuple[int, ...]
    groups: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        source: TokenSource,
        rows: NDArray[np.int64],
        *,
        length: int,
        pad: int | None,
        buckets: int = 1,
    ) -> Self:
        """The texts of some rows, in at most `buckets` buckets with about as many texts in each."""
        lengths = np.minimum(source.lengths(rows.tolist()), length)
        bounds, groups = length_buckets(lengths, buckets)
        return cls(source=source, rows=rows, pad=pad, length=length, bounds=bounds, groups=groups)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Of each bucket, its longest text."""
        return tuple((bound,) for bound in self.bounds)

    @property
    def nbytes(self) -> int:
        """Nothing more than what the source holds already."""
        return 0

    @property
    def largest(self) -> int:
        """Bytes of the longest text: its tokens, their mask, their number."""
        return (self.bounds[-1] + 1) * 8 + self.bounds[-1]

    def collate(self, positions: NDArray[np.int64], allocate: Allocate) -> Tensors:
        """`tokens`, `token_counts` and, padded, `attention_mask` of these positions."""
        del allocate
        texts = [self.source.whole(row)[: self.length] for row in self.rows[positions].tolist()]
        counts = np.array([len(text) for text in texts], dtype=np.int64)
        flat = np.concatenate([np.zeros(0, np.int64), *texts]).astype(np.int64)
        token_counts = torch.from_numpy(counts)
        if self.pad is None:
            offsets = torch.from_numpy(np.cumsum([0, *counts.tolist()]))
            ragged = Ragged(torch.from_numpy(flat), offsets)
            return {"tokens": ragged, "token_counts": token_counts}
        mask = np.arange(counts.max(initial=0)) < counts[:, None]
        tokens = np.full(mask.shape, self.pad, dtype=np.int64)
        tokens[mask] = flat
        return {
            "tokens": torch.from_numpy(tokens),
            "attention_mask": torch.from_numpy(mask),
            "token_counts": token_counts,
        }

    def cached(self, *, threads: int = 1) -> Self:
        """Itself: the tokens are in memory."""
        del threads
        return self


def length_buckets(
    lengths: NDArray[np.int64], count: int
) -> tuple[tuple[int, ...], NDArray[np.int64]]:
    """The upper bounds of length buckets, and for every length its bucket.

    Bounds lie at equal shares of the texts, rounded up to `MULTIPLE`; equal ones become one.
    """
    shares = np.quantile(lengths, np.arange(1, count + 1) / count, method="higher")
    bounds = np.unique(np.maximum(1, -(-shares.astype(np.int64) // MULTIPLE)) * MULTIPLE)
    return tuple(bounds.tolist()), np.searchsorted(bounds, lengths).astype(np.int64)
