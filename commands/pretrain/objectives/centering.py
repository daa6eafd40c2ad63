"""Centring: keeps one prototype from winning everywhere.

```
p = softmax((t − c) / τ)                                   t: the teacher's logits
c ← m c + (1 − m) · mean of t over the global batch
```

Subtracting the mean prevents one dominant prototype, the low temperature τ equal shares for
all; together they prevent both kinds of collapse. Source: DINO (Caron et
al. 2021, arXiv 2104.14294), eq. 4 and §5.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medfm_cli.training.gather import gather_rows


class Centre(nn.Module):
    """The moving mean c of a teacher's logits, [K]; a buffer, so that checkpoints hold it."""

    value: Tensor

    def __init__(self, prototypes: int, *, momentum: float = 0.9) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("value", torch.zeros(prototypes))
        # Of the current step, [K + 1]: the sum of the logits, and their number.
        # Kept out of the state, which is saved between steps.
        self._seen: Tensor | None = None

    def targets(self, logits: Tensor, temperature: Tensor) -> Tensor:
        """Give p [n, K] of the teacher's logits [n, K]."""
        return ((logits - self.value) / temperature).softmax(dim=-1)

    @torch.no_grad()
    def see(self, logits: Tensor) -> None:
        """Add logits [n, K] of a part of the batch to the next `update`."""
        total = logits.sum(dim=0, dtype=torch.float32)
        # The count is a tensor: torch.compile would recompile for each value of a Python number.
        seen = torch.cat([total, total.new_full((1,), float(len(logits)))])
        self._seen = seen if self._seen is None else self._seen + seen

    @torch.no_grad()
    def update(self) -> None:
        """Move c towards the mean of all logits seen since the last update, on all processes."""
        if self._seen is None:
            return
        total = gather_rows(self._seen.unsqueeze(0)).sum(dim=0)
        self.value.lerp_(total[:-1] / total[-1], 1.0 - self.momentum)
        self._seen = None
