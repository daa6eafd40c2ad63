"""The samples and texts that a figure of reconstructions shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from medfm_cli.data.inputs import AnyInput
    from medfm_cli.runs import Run


class Reconstruction(NamedTuple):
    """Some samples and their reconstruction; all [B,C,*space]."""

    values: Tensor  # as the network takes them
    reconstruction: Tensor  # masked patches as reconstructed, the others unchanged
    hidden: Tensor  # bool: masked, invisible to the encoder
    known: Tensor  # bool: what was observed

    @property
    def seen(self) -> Tensor:
        """What the encoder saw; 0 where it is masked."""
        return torch.where(self.hidden, 0.0, self.values)


@dataclass(frozen=True, kw_only=True)
class FigureContext:
    """The data and texts of a figure.

    Attributes:
        samples: samples and their reconstruction.
        captions: one a sample.
        preprocessing: how values become pixels, millivolts or decibels again.
        ratio: the share of masked patches.
        note: text added to the caption.
        run: the run whose folder of figures it is written to.
    """

    samples: Reconstruction
    captions: Sequence[str]
    preprocessing: AnyInput
    ratio: float
    note: str
    run: Run

    def about(self, things: str, how: str, count: int | None = None) -> str:
        """The caption of the figure: number of samples, share of masked patches, how to read it."""
        number = len(self.captions) if count is None else count
        text = f"{number} {things} with {self.ratio:.0%} of their patches masked {how}"
        return " ".join(f"{text} {self.note}".split())
