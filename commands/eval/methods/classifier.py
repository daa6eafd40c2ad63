"""A fine-tuned classifier, scored without further training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.commands.eval.methods.base import Method
from medfm_cli.errors import DataError
from medfm_cli.training.features import best_device, class_probabilities

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.data import Dataset
    from medfm_cli.models.directory import ImageModel
    from medfm_cli.runs import Run
    from medfm_cli.scoring.images import LabelledImages
    from medfm_cli.scoring.splits import SplitIndices


class FinetunedClassifier(Method):
    """A fine-tuned classifier; its weights do not change.

    Raises:
        DataError: its classes differ from those of the dataset.
    """

    role = "model"

    def __init__(
        self, name: str, loaded: ImageModel, dataset: Dataset, images: LabelledImages, run: Run
    ) -> None:
        self.name = name
        self._loaded, self._dataset, self._images, self._run = loaded, dataset, images, run
        self._columns = _columns(loaded.config.label_schema.classes, images.classes, name=name)
        self.description = f"The classifier {loaded.config.backbone.name} as it was trained."

    def predict(self, split: SplitIndices) -> NDArray[np.float64]:
        """Predict `split.test`; the other splits are not used."""
        samples = self._images.samples(split.test)
        module = self._loaded.module.to(best_device())
        probabilities = class_probabilities(
            module,
            self._dataset,
            self._images.rows[samples],
            preprocessing=self._loaded.config.preprocessing,
            run=self._run,
        )
        module.cpu()
        return self._images.average(split.test, probabilities[:, self._columns])


def _columns(
    model_classes: list[str], dataset_classes: tuple[str, ...], *, name: str
) -> NDArray[np.int64]:
    """The model's columns in the order of the dataset's classes."""
    if set(model_classes) != set(dataset_classes):
        raise DataError(
            f"the classifier '{name}' has the classes {', '.join(model_classes)}, "
            f"the dataset has {', '.join(dataset_classes)}",
            hint="evaluate it on a dataset with the same classes",
        )
    return np.array([model_classes.index(label) for label in dataset_classes], dtype=np.int64)
