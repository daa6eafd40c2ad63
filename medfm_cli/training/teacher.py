"""A teacher: a copy of a module that follows it slowly and is never trained itself."""

from __future__ import annotations

import copy
import math
from typing import Any, Generic, Self, TypeVar

import torch
from torch import Tensor, nn

from medfm_cli.torch_private import is_batch_norm, lerp_all

Module = TypeVar("Module", bound=nn.Module)


class Teacher(nn.Module, Generic[Module]):
    """The exponential moving average of a student, θ̄ ← m θ̄ + (1 − m) θ, without gradients.

    It starts as an exact copy. Only parameters are averaged; buffers are the teacher's own. While
    training, BatchNorm uses the batch, as in the student (MoCo v3); all else is in evaluation
    mode, so the teacher has no dropout and no drop path.

    Attributes:
        module: the averaged copy.
    """

    def __init__(self, student: Module) -> None:
        super().__init__()
        self.module: Module = copy.deepcopy(student).requires_grad_(False)
        self.train(self.training)

    @torch.no_grad()
    def forward(self, *arguments: Any, **keys: Any) -> Any:
        """Give the outputs of the copy, without gradients."""
        return self.module(*arguments, **keys)

    @torch.no_grad()
    def update(self, student: Module, momentum: float) -> None:
        """Move towards the weights of `student`: θ̄ ← m θ̄ + (1 − m) θ."""
        averages: list[Tensor] = list(self.module.parameters())
        weights: list[Tensor] = list(student.parameters())
        lerp_all(averages, weights, 1.0 - momentum)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of BatchNorm; everything else stays in evaluation mode."""
        super().train(False)
        self.training = mode
        for module in self.module.modules():
            if is_batch_norm(module):
                module.training = mode
        return self


def momentum_at(step: int, *, steps: int, start: float, final: float = 1.0) -> float:
    """Give m at the 0-based `step` of `steps`: half a cosine from `start` to `final`.

    ```
    m = f − (f − m₀) · ½ (1 + cos(π s / S))
    ```

    Source: BYOL (Grill et al. 2020, §3.2), as used by MoCo v3 and DINO.
    """
    progress = min(1.0, step / max(1, steps))
    return final - (final - start) * 0.5 * (1.0 + math.cos(math.pi * progress))
