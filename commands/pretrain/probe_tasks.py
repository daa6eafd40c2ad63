"""Labelled datasets on which a finished encoder is scored: a linear probe by BioVFM's protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.commands.pretrain.feature_evaluation import ProbeComparison, compare
from medfm_cli.commands.pretrain.monitor_options import SAME
from medfm_cli.data import Dataset
from medfm_cli.errors import DataError
from medfm_cli.scoring.images import LabelledImages, labelled_images
from medfm_cli.scoring.predictions import Predictions, write_predictions
from medfm_cli.training.features import forward, in_order
from medfm_cli.training.probe import Labelled, fit_probe
from medfm_cli.training.randomness import derive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.objectives.base import Objective
    from medfm_cli.commands.pretrain.recipe import PretrainRecipe
    from medfm_cli.metrics import Cases
    from medfm_cli.runs import Run
    from medfm_cli.training.probing import ProbeKeys

FOLDER = "tasks"
TEST = "test"


@dataclass(frozen=True, eq=False)
class ProbeTask:
    """One task: `train` fits the probe, `val` picks its epoch, `test` is scored.

    Attributes:
        train, val, test: images of the task, int64; `val` may be empty.
    """

    name: str
    dataset: Dataset
    images: LabelledImages
    train: NDArray[np.int64]
    val: NDArray[np.int64]
    test: NDArray[np.int64]
    probe: ProbeKeys
    seed: int

    def evaluate(self, task: Objective) -> Cases:
        """Score the encoder of `task` (in evaluation mode) on the test images."""
        images, classes = self.images, len(self.images.classes)
        loader = in_order(self.dataset, images.rows, preprocessing=task.preprocessing)
        try:
            features = forward(task.encoder, loader, task.preprocessing)
        finally:
            loader.close()
        fitted = fit_probe(
            self._labelled(features, self.train),
            self.probe,
            classes=classes,
            seed=self.seed,
            val=self._labelled(features, self.val) if len(self.val) else None,
        )
        probabilities = fitted.probabilities(features[images.samples(self.test)])
        return images.cases(self.test, images.average(self.test, probabilities))

    def keep(self, cases: Cases, run: Run) -> None:
        """Write the probabilities of every test image to `tasks/<name>.parquet`."""
        predictions = Predictions("pretrained", TEST, self.test, cases.probabilities)
        write_predictions(run.path(FOLDER, f"{self.name}.parquet"), self.images, [predictions])

    def _labelled(self, features: NDArray[np.float32], images: NDArray[np.int64]) -> Labelled:
        samples = self.images.samples(images)
        labels = self.images.truth[self.images.image[samples]]
        return Labelled(features[samples], labels, self.images.weights(images, balanced=False))


def load_probe_tasks(
    recipe: PretrainRecipe, dataset: Dataset, *, kind: str | None
) -> list[ProbeTask]:
    """Open the probe tasks of the recipe.

    Raises:
        DataError: a task has no single labels, or fewer than two classes to learn or to score.
    """
    probe_tasks = []
    for task in recipe.tasks:
        named = dataset if task.data == SAME else Dataset.open(task.data)
        images = labelled_images(named, kind=kind)
        train, val, test = (images.of_split(split) for split in ("train", "val", TEST))
        for split, part in (("train", train), (TEST, test)):
            if len(np.unique(images.truth[part])) < 2:
                raise DataError(
                    f"the task '{task.name}' has labels of fewer than two classes in its split "
                    f"{split}",
                    hint="curate it with a larger split",
                )
        seed = derive(recipe.seed, "task", task.name)
        probe_tasks.append(
            ProbeTask(task.name, named, images, train, val, test, recipe.probe, seed)
        )
    return probe_tasks


def evaluate_all(probe_tasks: list[ProbeTask], task: Objective) -> dict[str, Cases]:
    """The scored test images of every task."""
    return {probe_task.name: probe_task.evaluate(task) for probe_task in probe_tasks}


def compare_tasks(
    probe_tasks: list[ProbeTask],
    before: Mapping[str, Cases],
    task: Objective,
    run: Run,
    *,
    start: str,
) -> ProbeComparison | None:
    """Score the trained encoder beside its `start`, and keep its predictions."""
    if not probe_tasks:
        return None
    after = evaluate_all(probe_tasks, task)
    for probe_task in probe_tasks:
        probe_task.keep(after[probe_task.name], run)
    return compare(before, after, part=TEST, start=start)
