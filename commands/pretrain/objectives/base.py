"""What every objective of pretraining offers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from medfm_cli.training.task import Task

if TYPE_CHECKING:
    from torch import Tensor

    from medfm_cli.data.loader import Batch
    from medfm_cli.data.preprocess import Preprocessing
    from medfm_cli.models.backbones import Backbone
    from medfm_cli.runs import Run
    from medfm_cli.runs.blocks import Block
    from medfm_cli.training.randomness import StepRandom


class Objective(Task):
    """A task around an encoder that is kept when the rest is thrown away.

    Made as `Implementation(backbone, options, preprocessing=…, views=…)`.
    """

    backbone: Backbone
    preprocessing: Preprocessing

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Give the loss that is trained: the mean over the images."""
        return {"loss": self.losses(**inputs).mean()}

    @abstractmethod
    def losses(self, **inputs: Tensor) -> Tensor:
        """Give the loss of each image, [B], from what `inputs` gave."""

    @abstractmethod
    def plain_inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Give what `inputs` gives, of the images as they are: for a loss that can be compared."""

    @abstractmethod
    def pictures(
        self, batch: Batch, captions: Sequence[str], random: StepRandom, run: Run
    ) -> list[Block]:
        """Show in the report what was learnt, on a few images [b,C,S,S] and a caption for each."""
