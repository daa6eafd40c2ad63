"""Statistics of an encoder that need no labels: its loss and the spread of its features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medfm_cli.commands.pretrain.inputs.inspect import evenly_spaced
from medfm_cli.commands.pretrain.objectives.base import ObjectiveEvaluation
from medfm_cli.data.batch import Batch
from medfm_cli.data.collators import ArrayCollator
from medfm_cli.data.loader import Loader, LoaderOptions
from medfm_cli.metrics.means import mean_estimate
from medfm_cli.models.inputs import normalise
from medfm_cli.training.guards import Spread, feature_spread
from medfm_cli.training.randomness import StepRandom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.objectives.base import Objective
    from medfm_cli.data import Dataset
    from medfm_cli.metrics.estimates import Estimate

_MOST = 512
_BATCH = 64


@dataclass(frozen=True)
class FeatureStatistics:
    """Loss and features of an encoder on samples without augmentation.

    Attributes:
        split: the split of the samples: `val`, or the training samples without one.
        losses: loss of the objective for each sample, [n], with the same masks each time.
        subjects: codes of the subject of each sample, [n].
        spread: of the encoder's features.
    """

    split: str
    losses: NDArray[np.float64]
    subjects: NDArray[np.int64]
    spread: Spread

    @property
    def loss(self) -> Estimate:
        """The mean loss with its interval over subjects."""
        return mean_estimate(self.losses, self.subjects, metric="loss")

    def gain(self, before: FeatureStatistics) -> Estimate:
        """The mean loss less that of `before`, image by image."""
        return mean_estimate(self.losses - before.losses, self.subjects, metric="loss")


class EvaluationSamples:
    """A fixed set of samples on which an encoder is evaluated before and after training."""

    def __init__(
        self,
        dataset: Dataset,
        trained_on: NDArray[np.int64],
        *,
        kinds: Sequence[str] = ("image",),
        seed: int,
        usable: Callable[[NDArray[np.int64]], NDArray[np.int64]] = lambda rows: rows,
    ) -> None:
        held_out = usable(dataset.rows("val", kind=kinds))
        unseen = np.setdiff1d(held_out, trained_on)
        self.split = "val" if len(unseen) >= 2 else "train"
        self.dataset = dataset
        self.rows = evenly_spaced(unseen if self.split == "val" else trained_on, _MOST)
        self.seed = seed
        self.trained_on = evenly_spaced(trained_on, _MOST)
        self.subjects = self._subjects(self.rows)

    @torch.no_grad()
    def measure(self, task: Objective) -> FeatureStatistics:
        """Measure the loss and the spread of the features; the task is left in evaluation mode."""
        task.eval()
        device = next(task.parameters()).device
        losses, features, rows = [], [], []
        for step, batch in enumerate(self._batches(task, self.rows, device)):
            rows.append(batch.rows)
            random = self._random(step, len(batch.rows), device)
            losses.append(task.losses(**task.plain_inputs(batch, random)).double().cpu())
            features.append(task.encoder(normalise(batch.values, task.preprocessing)))
        spread = feature_spread(torch.cat(features))
        order = torch.cat(rows).argsort()  # batches hold volumes of one depth
        return FeatureStatistics(
            self.split, torch.cat(losses)[order.cpu()].numpy(), self.subjects, spread
        )

    @torch.no_grad()
    def spread(self, task: Objective) -> Spread:
        """Measure the spread of the features alone; the task is in evaluation mode."""
        device = next(task.parameters()).device
        return feature_spread(
            torch.cat(
                [
                    task.encoder(normalise(batch.values, task.preprocessing))
                    for batch in self._batches(task, self.rows, device)
                ]
            )
        )

    @torch.no_grad()
    def evaluate(self, task: Objective) -> list[Any]:
        """Let the objective evaluate held-out and training samples."""
        task.eval()
        device = next(task.parameters()).device
        return [task.evaluate(self._batches(task, rows, device)) for _, rows in self._sets()]

    def paired_evaluations(self, before: list[Any], after: list[Any]) -> list[ObjectiveEvaluation]:
        """Pair the results of `evaluate` before and after training."""
        return [
            ObjectiveEvaluation(
                split=split,
                trained_on=split == "train",
                rows=rows,
                subjects=self._subjects(rows),
                before=first,
                after=last,
            )
            for (split, rows), first, last in zip(self._sets(), before, after, strict=True)
            if last is not None
        ]

    def _sets(self) -> list[tuple[str, NDArray[np.int64]]]:
        held_out = [("val", self.rows)] if self.split == "val" else []
        return [*held_out, ("train", self.trained_on)]

    def _subjects(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Codes of the subjects of rows."""
        subjects = np.asarray(self.dataset.column("subject_id"), dtype=object)[rows]
        return np.unique(subjects, return_inverse=True)[1].astype(np.int64)

    def examples(self, task: Objective, count: int) -> tuple[Batch, list[str], StepRandom]:
        """A few samples of different modalities and subjects, with captions."""
        device = next(task.parameters()).device
        batch = next(self._batches(task, self._varied(count), device))
        rows = batch.rows.tolist()
        modality = self.dataset.column("modality")
        captions = [
            " · ".join(filter(None, (modality[row], self.dataset.sample_id(row)))) for row in rows
        ]
        return batch, captions, self._random(0, len(rows), device)

    def _varied(self, count: int) -> NDArray[np.int64]:
        """One image of each modality first, then of each subject, then any.

        Of several the one with the largest file: almost empty images show nothing.
        """
        size = self.dataset.samples.column("length").to_numpy()
        candidates = sorted(self.rows.tolist(), key=lambda row: (-size[row], row))
        everyone = list(range(len(self.dataset)))
        chosen: list[int] = []
        for kinds in (self.dataset.column("modality"), self.dataset.column("subject_id"), everyone):
            seen = {kinds[row] for row in chosen}
            for row in candidates:
                if len(chosen) < count and row not in chosen and kinds[row] not in seen:
                    seen.add(kinds[row])
                    chosen.append(row)
        return np.asarray(chosen, dtype=np.int64)

    def _batches(
        self, task: Objective, rows: NDArray[np.int64], device: torch.device
    ) -> Iterator[Batch]:
        loader = Loader(
            self.dataset,
            rows,
            ArrayCollator.of(self.dataset, rows, task.preprocessing),
            LoaderOptions(
                global_batch=_BATCH, seed=0, workers=0, shuffle=False, drop_last=False, cache=False
            ),
        )
        for batch in loader.batches(0):
            yield batch.to(device)

    def _random(self, step: int, count: int, device: torch.device) -> StepRandom:
        return StepRandom(seed=self.seed, step=-1 - step, batch=count, device=device)
