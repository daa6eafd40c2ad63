"""A classifier that is scored as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.commands.eval.methods.base import Method
from medfm_cli.errors import DataError
from medfm_cli.training.features import best_device, class_probabilities

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.commands.eval.protocol import Split
    from medfm_cli.data import Dataset
    from medfm_cli.models.directory import ImageModel
    from medfm_cli.runs import Run
    from medfm_cli.scoring.images import LabelledImages


class Finished(Method):
    """A fine-tuned classifier: nothing is learnt here.

    Raises:
        DataError: its classes are not those of the dataset.
    """

    role = "model"

    def __init__(
        self, name: str, loaded: ImageModel, dataset: Dataset, images: LabelledImages, run: Run
    ) -> None:
        self.name = name
        self._loaded, self._dataset, self._images, self._run = loaded, dataset, images, run
        self._order = _order(loaded.config.label_schema.classes, images.classes, name=name)
        self.about = f"The classifier {loaded.config.backbone.name} as it was trained."

    def predict(self, split: Split) -> NDArray[np.float64]:
        """Only `split.test` is looked at."""
        samples = self._images.samples(split.test)
        module = self._loaded.module.to(best_device())
        found = class_probabilities(
            module,
            self._dataset,
            self._images.rows[samples],
            preprocessing=self._loaded.config.preprocessing,
            run=self._run,
        )
        module.cpu()
        return self._images.average(split.test, found[:, self._order])


def _order(known: list[str], wanted: tuple[str, ...], *, name: str) -> NDArray[np.int64]:
    """The model's columns in the order of the dataset's classes."""
    if set(known) != set(wanted):
        raise DataError(
            f"the classifier '{name}' knows the classes {', '.join(known)}, "
            f"the dataset has {', '.join(wanted)}",
            hint="evaluate it on a dataset with the same classes",
        )
    return np.array([known.index(label) for label in wanted], dtype=np.int64)
