"""What the pictures are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from medfm_cli.data.inputs import AnyInput
    from medfm_cli.runs import Run


class Repainted(NamedTuple):
    """Some samples, and the same with paint over what was hidden; all [B,C,*space]."""

    values: Tensor  # as the network takes them
    painted: Tensor  # hidden patches as painted, the others as they are
    hidden: Tensor  # bool: what the encoder did not see
    known: Tensor  # bool: what was observed

    @property
    def seen(self) -> Tensor:
        """What the encoder saw; 0 in the place of the rest."""
        return torch.where(self.hidden, 0.0, self.values)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a drawing needs to know.

    Attributes:
        samples: what is drawn.
        captions: one a sample.
        preprocessing: how values become pixels, millivolts or decibels again.
        ratio: the part of the patches that was hidden.
        note: what else to say under the drawing.
        run: where files go.
    """

    samples: Repainted
    captions: Sequence[str]
    preprocessing: AnyInput
    ratio: float
    note: str
    run: Run

    def about(self, things: str, how: str, count: int | None = None) -> str:
        """The caption of the figure: how many things, what was hidden, how it is shown."""
        number = len(self.captions) if count is None else count
        text = f"{number} {things} with {self.ratio:.0%} of their patches hidden {how}"
        return " ".join(f"{text} {self.note}".split())
