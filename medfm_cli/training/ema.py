"""An exponential moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from medfm_cli.torch_private import lerp_all

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn


class Ema:
    """Averaged weights θ̄, updated after every optimiser step.

    ```
    d_t = min(d, (1 + t) / (10 + t))        t = 0, 1, … steps done
    θ̄ ← d_t θ̄ + (1 − d_t) θ
    ```

    The early, smaller d_t keeps the random initial weights out of short runs (the rule of
    TensorFlow's `ExponentialMovingAverage(num_updates=…)`). Buffers are copied, not averaged.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self._averages = {name: p.detach().clone() for name, p in module.named_parameters()}

    def decay_at(self, step: int) -> float:
        """Give d_t."""
        return min(self.decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Move the averages towards the weights of `module`."""
        weights = [parameter.detach() for parameter in module.parameters()]
        lerp_all(list(self._averages.values()), weights, 1.0 - self.decay_at(step))

    def state(self) -> dict[str, Tensor]:
        """Give the averages by parameter name."""
        return dict(self._averages)

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over averages saved by `state`. Raises KeyError when one is missing."""
        for name, average in self._averages.items():
            average.copy_(state[name])

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[None]:
        """Have the averages in `module` for a while, and its own weights back afterwards."""
        self._swap(module)
        try:
            yield
        finally:
            self._swap(module)

    @torch.no_grad()
    def _swap(self, module: nn.Module) -> None:
        for name, parameter in module.named_parameters():
            own = parameter.detach().clone()
            parameter.copy_(self._averages[name])
            self._averages[name].copy_(own)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Put the averages into `module`, for good."""
        for name, parameter in module.named_parameters():
            parameter.copy_(self._averages[name])
