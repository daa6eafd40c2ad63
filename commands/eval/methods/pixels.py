"""The baseline without an encoder: logistic regression on downsized images."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.commands.eval.methods.base import Method
from medfm_cli.data.preprocess import fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.commands.eval.recipe import PixelKeys
    from medfm_cli.data import Dataset
    from medfm_cli.runs import Run
    from medfm_cli.scoring.images import LabelledImages
    from medfm_cli.scoring.splits import SplitIndices


class PixelRegression(Method):
    """L2-regularised logistic regression (scikit-learn) on standardised pixels.

    Attributes:
        unconverged: number of fits that did not converge within the iterations.
    """

    name = "pixels"

    def __init__(
        self, dataset: Dataset, images: LabelledImages, keys: PixelKeys, *, balanced: bool, run: Run
    ) -> None:
        channels = max(dataset.column("channels")[row] for row in images.rows.tolist())
        self._images, self._keys, self._balanced = images, keys, balanced
        self._values = _small(dataset, images, size=keys.size, channels=channels, run=run)
        self.unconverged = 0
        self.description = (
            f"Logistic regression on the pixels of images downsized to {keys.size} × {keys.size}"
            f"{' in colour' if channels == 3 else ''} (L2, C = {keys.inverse_l2:g})."
        )

    def predict(self, split: SplitIndices) -> NDArray[np.float64]:
        """Fit on the training images (validation images are not needed)."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        images = self._images
        train, test = images.samples(split.train), images.samples(split.test)
        values = self._values[train]
        mean, scale = values.mean(axis=0), values.std(axis=0) + 1e-6
        model = LogisticRegression(C=self._keys.inverse_l2, max_iter=1000)
        # Matrices of this size are slower with several threads, much slower on a busy machine.
        with warnings.catch_warnings(record=True) as caught, threadpool_limits(1):
            warnings.simplefilter("always", ConvergenceWarning)
            model.fit(
                (values - mean) / scale,
                images.truth[images.image[train]],
                sample_weight=images.weights(split.train, balanced=self._balanced),
            )
        self.unconverged += bool(caught)
        probabilities = np.zeros((len(test), len(images.classes)))
        probabilities[:, model.classes_] = model.predict_proba((self._values[test] - mean) / scale)
        return images.average(split.test, probabilities)


def _small(
    dataset: Dataset, images: LabelledImages, *, size: int, channels: int, run: Run
) -> NDArray[np.float32]:
    """The samples as rows of pixels, float32 [N, channels × size × size] in 0…1."""
    values = np.empty((len(images.rows), channels * size * size), dtype=np.float32)
    for index, row in enumerate(images.rows.tolist()):
        if index % 256 == 0:
            run.check_stop()
        values[index] = fit(dataset.image(row), size, channels).ravel()
    values /= 255
    return values
