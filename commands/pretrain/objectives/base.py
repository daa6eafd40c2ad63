"""What every objective of pretraining offers, and what it is told."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from medfm_cli.training.task import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from medfm_cli.commands.pretrain.objectives.options.base import ObjectiveOptions
    from medfm_cli.data.batch import Batch
    from medfm_cli.data.inputs import AnyInput
    from medfm_cli.models.backbones import Backbone
    from medfm_cli.runs import Run
    from medfm_cli.runs.blocks import Block
    from medfm_cli.training.augmentations import AnyViews
    from medfm_cli.training.randomness import StepRandom


@dataclass(frozen=True, kw_only=True)
class ObjectiveContext:
    """What an objective is told beside its own options.

    Attributes:
        preprocessing: what the network takes, and how a sample is fitted to it.
        views: the random views of the recipe.
        seed: of the recipe, for what an objective draws once.
        steps: optimiser steps of the whole run.
        epoch_steps: optimiser steps of an epoch.
        batch: samples of a global batch.
        accumulate: parts that a batch is worked through in; samples of different parts do not
            meet.
        subjects: a number for the person of every row of the manifest, int64 [rows]; of different
            people where it is empty.
        texts: the text that belongs to every row of the manifest, a statement a line, empty where
            there is none.
        rows: the rows of the manifest that are learned from; all where it is empty.
    """

    preprocessing: AnyInput
    views: AnyViews
    seed: int = 0
    steps: int = 1
    epoch_steps: int = 1
    batch: int = 1
    accumulate: int = 1
    subjects: Sequence[int] = ()
    texts: Sequence[str] = ()
    rows: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class ObjectiveEvaluation:
    """What an objective saw in some samples before and after the training.

    Attributes:
        split: the samples' split.
        trained_on: whether they were learned from.
        rows: of the manifest, int64 [n].
        subjects: codes 0 … S−1 of their subjects, int64 [n].
        before, after: what `Objective.evaluate` gave.
    """

    split: str
    trained_on: bool
    rows: NDArray[np.int64]
    subjects: NDArray[np.int64]
    before: Any
    after: Any


@dataclass(frozen=True)
class ReportSection:
    """A section of the report that only one objective can write, and its numbers for scripts."""

    title: str
    blocks: list[Block]
    metrics: dict[str, Any] = field(default_factory=dict)


class Objective(Task):
    """A task around an encoder that is kept when the rest is thrown away.

    Made as `Implementation(backbone, options, context)`.
    """

    def __init__(self, backbone: Backbone, context: ObjectiveContext) -> None:
        super().__init__()
        self.backbone = backbone
        self.context = context

    @classmethod
    def check(cls, options: ObjectiveOptions, context: ObjectiveContext) -> None:
        """Refuse what cannot work before anything is built. Raises UsageError."""

    @property
    def preprocessing(self) -> AnyInput:
        """What the network takes."""
        return self.context.preprocessing

    @property
    def encoder(self) -> Backbone:
        """The encoder that is measured and kept: the trained one, or its teacher."""
        return self.backbone

    @property
    def highest_entropy(self) -> float | None:
        """Entropy of a teacher that prefers nothing, log K in nats; None without a teacher."""
        return None

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Give the loss of each sample, and what else should be logged (see `Task`)."""
        return {"loss": self.losses(**inputs)}

    @abstractmethod
    def losses(self, **inputs: Tensor) -> Tensor:
        """Give the loss of each sample, [B], from what `inputs` gave."""

    @abstractmethod
    def plain_inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Give what `inputs` gives, for a loss that can be compared: the least that is random.

        The samples are as they are where the objective allows, and views drawn from `random`
        (the same at every call) where it needs several.
        """

    def figures(
        self, batch: Batch, captions: Sequence[str], random: StepRandom, run: Run
    ) -> list[Block]:
        """Show in the report what was learned, on a few samples and a caption for each."""
        del batch, captions, random, run
        return []

    def evaluate(self, batches: Iterable[Batch]) -> Any:
        """Evaluate samples without augmentation for `report_sections`; None: nothing to report.

        Called before and after training, in evaluation mode, on held-out and on training samples.
        """
        del batches

    def report_sections(self, evaluations: Sequence[ObjectiveEvaluation]) -> list[ReportSection]:
        """Tell what only this objective can tell of what it has learned."""
        del evaluations
        return []

    def files(self) -> dict[str, bytes]:
        """Give further files of the model directory: what is worth keeping beside the encoder."""
        return {}
