"""The minimum baseline: always the most frequent class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.commands.eval.methods.base import Method

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.scoring.images import LabelledImages
    from medfm_cli.scoring.splits import SplitIndices


class MajorityClass(Method):
    """The class frequencies of `pool`, the same for every image.

    In cross-validation `pool` is all tested images: frequencies of each fold would differ
    and give a constant predictor an AUC far from 0.5. Because it uses the test frequencies, it is
    the best constant predictor.
    """

    name = "majority"
    description = "Always the most frequent class, with the class frequencies as probabilities."

    def __init__(self, images: LabelledImages, pool: NDArray[np.int64]) -> None:
        counts = np.asarray(images.counts(pool), dtype=np.float64)
        self._frequencies = counts / counts.sum()

    def predict(self, split: SplitIndices) -> NDArray[np.float64]:
        """The same row for every image."""
        return np.tile(self._frequencies, (len(split.test), 1))
