"""What the training loop trains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from medfm_cli.data.batch import Batch
    from medfm_cli.training.randomness import StepRandom


class Task(nn.Module, ABC):
    """A module with an objective: everything trainable is one of its children.

    `forward(**inputs)` takes what `inputs` gives and returns a dict of scalars: `loss`, the mean
    over the samples (equal parts of a batch then average to the loss of the whole), and whatever
    else should be logged.
    """

    @abstractmethod
    def inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Make the inputs of `forward` from a batch on the device; all randomness is drawn here.

        Called without gradients and in full precision.
        """

    def before_step(self, step: int) -> None:
        """Change gradients of the 0-based `step`: they are averaged, and not yet clipped."""

    def after_step(self, step: int) -> None:
        """Follow the weights that the 0-based `step` changed: a teacher's average, say."""

    def rate_scale(self, name: str) -> float:
        """The factor on the learning rate of the parameter `name`; 1 unless a task differs."""
        del name
        return 1.0
