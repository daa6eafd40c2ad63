"""Shared by objectives that compare two views of every sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medfm_cli.commands.pretrain.objectives.base import Objective, ObjectiveContext
from medfm_cli.errors import UsageError
from medfm_cli.training.gather import gather_rows
from medfm_cli.training.views import draw_view

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.objectives.options.base import ObjectiveOptions
    from medfm_cli.commands.pretrain.objectives.options.contrastive import ContrastiveOptions
    from medfm_cli.commands.pretrain.objectives.similarity import Contrast
    from medfm_cli.data.batch import Batch
    from medfm_cli.models.backbones import Backbone
    from medfm_cli.training.randomness import StepRandom


class Contrastive(Objective):
    """Two random views of every sample, and the subjects of the samples.

    The batch that is compared is the global one: the features of all processes are gathered.
    With `accumulate` it is one part of it.
    """

    def __init__(
        self, backbone: Backbone, options: ContrastiveOptions, context: ObjectiveContext
    ) -> None:
        super().__init__(backbone, context)
        self.groups = Groups(context.subjects if options.subject_aware else ())

    @classmethod
    def check(cls, options: ObjectiveOptions, context: ObjectiveContext) -> None:
        """Reject batches without negatives."""
        part = context.batch // context.accumulate
        if part < 2:
            raise UsageError(
                f"{options.name} compares the samples of a batch with each other, "
                f"and there is {part} in it",
                hint="set batch to 2 × accumulate at least; hundreds are better",
            )

    def inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Draw two views [b,C,…] of every sample; name its group [b]."""
        views, fitted = self.context.views, self.preprocessing
        first = draw_view(batch.values, views, fitted, random, name="first")
        second = draw_view(batch.values, views.version("second"), fitted, random, name="second")
        return {"first": first, "second": second, "groups": self.groups.of(batch.rows)}

    def plain_inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Draw the views as in `inputs`: the objective compares two views."""
        return self.inputs(batch, random)

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Give the losses, and whether a sample's other view is the most similar one."""
        result = self.contrast(**inputs)
        return {"loss": result.losses, "matched": result.matched}

    def losses(self, **inputs: Tensor) -> Tensor:
        """Give the loss [B] of the samples of all processes."""
        return self.contrast(**inputs).losses

    def contrast(self, **inputs: Tensor) -> Contrast:
        """Compare the views."""
        raise NotImplementedError

    def whole(self, rows: Tensor) -> Tensor:
        """Join the rows of all processes in training; an evaluation uses those of one process."""
        return gather_rows(rows) if self.training else rows


class Groups:
    """Which rows of the manifest are never negatives of each other: those of one subject.

    Without subjects every row is its own group: a sample that occurs twice in a batch is still
    not a negative of itself.
    """

    def __init__(self, subjects: Sequence[int]) -> None:
        self._codes = torch.as_tensor(subjects, dtype=torch.int64) if len(subjects) else None

    def of(self, rows: Tensor) -> Tensor:
        """Give the group of each row, int64 [b]."""
        if self._codes is None:
            return rows
        self._codes = self._codes.to(rows.device)
        return self._codes[rows]
