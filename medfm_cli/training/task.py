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

    `forward(**inputs)` takes what `inputs` gives for b samples and returns a dict:

    - `loss`: [n], the loss of each sample. n is b, or what a loss makes of the gathered rows of all
      processes (see `gather`). A scalar where the loss is no mean over samples.
    - `weights`: [n], how much each sample counts: its number of tokens, 0 for a missing label
      (whose loss must be finite all the same). 1 where left out. Always given or never.
    - whatever else should be logged: [n], or a scalar.

    The loop trains and logs averages by weight over the whole global batch (see `weighting`).
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
