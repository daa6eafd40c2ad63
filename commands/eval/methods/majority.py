"""The least a method must beat: always the most frequent class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.commands.eval.methods.base import Method

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.commands.eval.protocol import Split
    from medfm_cli.scoring.images import LabelledImages


class Majority(Method):
    """The class frequencies of `pool`, the same for every image.

    In cross-validation `pool` is all tested images: frequencies taken fold by fold would differ
    between folds and give a constant predictor an AUC far from 0.5. This one knows the test
    frequencies, which makes it the best constant there is.
    """

    name = "majority"
    about = "Always the most frequent class, with the class frequencies as probabilities."

    def __init__(self, images: LabelledImages, pool: NDArray[np.int64]) -> None:
        counts = np.asarray(images.counts(pool), dtype=np.float64)
        self._shares = counts / counts.sum()

    def predict(self, split: Split) -> NDArray[np.float64]:
        """The same row for every image."""
        return np.tile(self._shares, (len(split.test), 1))
