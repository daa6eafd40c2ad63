"""Losses of samples, averaged by weight over the parts of a batch and over the processes.

For a global batch of samples i with losses l_i and weights w_i

```
L = Σ_i w_i l_i / Σ_i w_i
```

whatever the number of parts (`accumulate`) and of processes. Σ w is known only after the last part,
so each part adds the gradient of Σ w l / n, with n the samples of a process, and the gradient is
multiplied by n / (Σ w a process) at the end. Without weights all parts have equally many samples,
and the mean of their means is the mean of the batch: nothing has to be multiplied.

A loss that compares the samples of all processes (`gather`) is the same on each of them: numerator
and denominator then count every sample once a process, which changes no ratio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from medfm_cli.training.session import Session

LOSS, WEIGHTS = "loss", "weights"

Outputs = Mapping[str, Tensor]
"""What a task's `forward` gives for a part of a batch (see `task.Task`)."""


def part_loss(outputs: Outputs, *, samples: int, parts: int) -> Tensor:
    """The term of one of `parts` parts in the loss of a process with `samples` samples: a scalar.

    With weights it is off by the factor that `Average.scale` gives.
    """
    if WEIGHTS not in outputs:
        return outputs[LOSS].mean() / parts
    return (outputs[LOSS] * outputs[WEIGHTS]).sum() / samples


class Average:
    """The average by weight over the parts of a step, on this process.

    Args:
        parts: outputs of all parts of a process, detached.
        samples: n, the samples of a process.

    Attributes:
        parts: as given.
        scale: what the gradient of the sum of `part_loss` has to be multiplied by; 0 where no
            sample has a weight.
    """

    def __init__(self, parts: Sequence[Outputs], *, samples: int, session: Session) -> None:
        self.parts = parts
        self.scale = 1.0
        self._weight = 0.0
        if WEIGHTS in parts[0]:
            weight = torch.stack([part[WEIGHTS].sum(dtype=torch.float32) for part in parts]).sum()
            self._weight = session.mean(weight).item()  # waits for the device, as few tasks must
            self.scale = samples / self._weight if self._weight else 0.0

    def values(self) -> dict[str, Tensor]:
        """Scalars by name; their mean over the processes is the average over the global batch."""
        names = [name for name in self.parts[0] if name != WEIGHTS]
        return {name: self._value(name) for name in names}

    def _value(self, name: str) -> Tensor:
        if WEIGHTS not in self.parts[0]:
            return torch.stack([part[name].mean() for part in self.parts]).mean()
        sums = torch.stack([(part[name] * part[WEIGHTS]).sum() for part in self.parts])
        return sums.sum() / (self._weight or 1.0)
