"""The interface of a pretraining objective, and its context."""

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
    """What an objective needs beside its own options.

    Attributes:
        preprocessing: the input of the network, and how a sample is fitted to it.
        views: the random views of the recipe.
        seed: of the recipe, for random numbers that an objective draws once.
        steps: optimiser steps of the whole run.
        epoch_steps: optimiser steps of an epoch.
        batch: samples of a global batch.
        accumulate: parts of a batch that are processed in turn; samples of different parts are not
            compared.
        subjects: a code for the subject of every row of the manifest, int64 [rows]; empty: all
            different.
        texts: the text of every row of the manifest, one statement a line, empty without a
            text.
        rows: the training rows of the manifest; empty: all.
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
    """What an objective measured on some samples before and after training.

    Attributes:
        split: the samples' split.
        trained_on: whether they are training samples.
        rows: of the manifest, int64 [n].
        subjects: codes 0 … S−1 of their subjects, int64 [n].
        before, after: the results of `Objective.evaluate`.
    """

    split: str
    trained_on: bool
    rows: NDArray[np.int64]
    subjects: NDArray[np.int64]
    before: Any
    after: Any


@dataclass(frozen=True)
class ReportSection:
    """A section of the report specific to an objective, and its metrics for result.json."""

    title: str
    blocks: list[Block]
    metrics: dict[str, Any] = field(default_factory=dict)


class Objective(Task):
    """A training task around an encoder; the rest is discarded after pretraining.

    Made as `Implementation(backbone, options, context)`.
    """

    def __init__(self, backbone: Backbone, context: ObjectiveContext) -> None:
        super().__init__()
        self.backbone = backbone
        self.context = context

    @classmethod
    def check(cls, options: ObjectiveOptions, context: ObjectiveContext) -> None:
        """Check options against the context before anything is built. Raises UsageError."""

    @property
    def preprocessing(self) -> AnyInput:
        """The input of the network."""
        return self.context.preprocessing

    @property
    def encoder(self) -> Backbone:
        """The encoder that is evaluated and saved: the trained one, or its teacher."""
        return self.backbone

    @property
    def highest_entropy(self) -> float | None:
        """Entropy of uniform teacher targets, log K in nats; None without a teacher."""
        return None

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Give the loss of each sample, and what else should be logged (see `Task`)."""
        return {"loss": self.losses(**inputs)}

    @abstractmethod
    def losses(self, **inputs: Tensor) -> Tensor:
        """Give the loss of each sample, [B], from what `inputs` gave."""

    @abstractmethod
    def plain_inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Give what `inputs` gives, with as little randomness as possible, for comparable losses.

        Samples are not augmented where the objective allows it; otherwise views are drawn from
        `random`, the same at every call.
        """

    def figures(
        self, batch: Batch, captions: Sequence[str], random: StepRandom, run: Run
    ) -> list[Block]:
        """Figures for the report, of a few samples with a caption each."""
        del batch, captions, random, run
        return []

    def evaluate(self, batches: Iterable[Batch]) -> Any:
        """Evaluate samples without augmentation for `report_sections`; None: nothing to report.

        Called before and after training, in evaluation mode, on held-out and on training samples.
        """
        del batches

    def report_sections(self, evaluations: Sequence[ObjectiveEvaluation]) -> list[ReportSection]:
        """The sections of the report specific to this objective."""
        del evaluations
        return []

    def files(self) -> dict[str, bytes]:
        """Further files of the model directory beside the encoder."""
        return {}
