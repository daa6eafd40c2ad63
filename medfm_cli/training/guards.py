"""Checks on a training run: finite numbers, features that have not collapsed."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medfm_cli.errors import RunFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from medfm_cli.data.batch import Batch
    from medfm_cli.training.session import Session

_SKIPS_ALLOWED = 40  # fp16 starts with a scale of 2^16 and halves it at every overflow


class Diverged(RunFailed):
    """The loss or its gradient is no longer finite; all processes raise it at the same step.

    The session stays usable: a caller with several trainings can continue with the next.

    Attributes:
        quantity: "loss" or "gradient".
        step: from 1; the weights are those before it.
        samples: ids of the samples whose loss is not finite, or of the whole batch.
    """

    def __init__(self, quantity: str, *, step: int, samples: list[str]) -> None:
        more = f" and {len(samples) - 8} more" if len(samples) > 8 else ""
        super().__init__(
            f"the {quantity} is not a finite number at step {step}; "
            f"samples: {', '.join(samples[:8])}{more}",
            hint="look at these samples; lower optimiser.learning_rate, or set "
            "optimiser.clip=1.0 or precision=fp32",
        )
        self.quantity = quantity
        self.step = step
        self.samples = samples


class FiniteGuard:
    """Aborts before a broken update is made; all processes come to the same decision."""

    def __init__(self, sample_id: Callable[[int], str], session: Session) -> None:
        self._sample_id = sample_id
        self._session = session
        self._skips = 0

    def check(
        self,
        values: Mapping[str, float],
        parts: Sequence[Mapping[str, Tensor]],
        batch: Batch,
        *,
        step: int,
    ) -> None:
        """Check the loss and the gradient's norm of step `step`, averaged over the processes.

        With fp16 an overflowing gradient is no failure until it happens many times in a row: the
        gradient scaler skips such a step.

        Raises:
            Diverged: names the step and the samples: those whose loss (or whose part of the
                batch's loss) is not finite, or else the whole batch.
        """
        if math.isfinite(values["loss"]):
            if math.isfinite(values["gradient_norm"]):
                self._skips = 0
                return
            self._skips += 1
            if self._session.scaler is not None and self._skips <= _SKIPS_ALLOWED:
                return
        quantity = "gradient" if math.isfinite(values["loss"]) else "loss"
        samples = [self._sample_id(row) for row in self._suspects(parts, batch)]
        raise Diverged(quantity, step=step, samples=samples)

    def _suspects(self, parts: Sequence[Mapping[str, Tensor]], batch: Batch) -> list[int]:
        device = self._session.device
        size = len(batch.rows) // len(parts)
        broken = torch.cat([_broken(part["loss"], size) for part in parts]).to(device)
        flags = self._session.gather(broken)
        rows = self._session.gather(batch.rows.to(device))
        chosen: list[int] = (rows[flags] if flags.any() else rows).tolist()
        return chosen


def _broken(losses: Tensor, samples: int) -> Tensor:
    """Which samples of a part have a loss that is not finite: all where it is of them all."""
    broken = ~losses.isfinite()
    return broken if broken.shape == (samples,) else broken.any().expand(samples)


@dataclass(frozen=True)
class Spread:
    """How much the features of different images differ.

    Attributes:
        images: how many images were measured (n).
        std: mean over dimensions of the standard deviation over images of the L2-normalised
            features, times √D: about 1 when directions are spread evenly, 0 when all look alike.
        effective_rank: exp of the entropy of the normalised singular values of the centred
            features, from 1 to min(n − 1, D) (Roy & Vetterli 2007, definition 1).
        dimensions: D.
    """

    images: int
    std: float
    effective_rank: float
    dimensions: int

    @property
    def collapsed(self) -> bool:
        """Whether (nearly) one direction is left to tell images apart; thresholds of our own."""
        return not (self.std > 0.01 and self.effective_rank > 2.0)

    def metrics(self, prefix: str) -> dict[str, float]:
        """Give the values under `prefix`, for result metrics."""
        return {f"{prefix}_{name}": value for name, value in asdict(self).items()}


@torch.no_grad()
def feature_spread(features: Tensor) -> Spread:
    """Measure the spread of features [n, D] of n different images."""
    values = features.detach().double().cpu()
    count, dimensions = values.shape
    directions = torch.nn.functional.normalize(values, dim=1)
    std = directions.std(dim=0, correction=0).mean().item() * math.sqrt(dimensions)
    singular = torch.linalg.svdvals(values - values.mean(dim=0))
    total = singular.sum()
    weights = singular / total if total > 0 else torch.ones_like(singular[:1])
    entropy = -(weights * weights.clamp_min(1e-30).log()).sum().item()
    return Spread(count, std, math.exp(entropy), dimensions)
