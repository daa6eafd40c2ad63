"""An encoder under a linear probe: pretrained, or with random weights as a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.commands.eval.methods.base import Method
from medfm_cli.training.probe import Labelled, fit_probe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.commands.eval.protocol import Split
    from medfm_cli.scoring.images import LabelledImages
    from medfm_cli.training.probing import ProbeKeys


class Probed(Method):
    """A probe on features that are the same in every split.

    Args:
        features: float32 [N,D], of the labelled samples.
    """

    def __init__(
        self,
        name: str,
        features: NDArray[np.float32],
        images: LabelledImages,
        keys: ProbeKeys,
        *,
        balanced: bool,
        seed: int,
    ) -> None:
        self.name = name
        self._features, self._images, self._keys = features, images, keys
        self._balanced, self._seed = balanced, seed

    def predict(self, split: Split) -> NDArray[np.float64]:
        """Fit the probe on the training images; validation images pick the epoch."""
        fitted = fit_probe(
            self._labelled(split.train),
            self._keys,
            classes=len(self._images.classes),
            seed=self._seed,
            val=self._labelled(split.val) if len(split.val) else None,
        )
        samples = self._images.samples(split.test)
        found = fitted.probabilities(self._features[samples])
        return self._images.average(split.test, found)

    def _labelled(self, images: NDArray[np.int64]) -> Labelled:
        samples = self._images.samples(images)
        labels = self._images.truth[self._images.image[samples]]
        weights = self._images.weights(images, balanced=self._balanced)
        return Labelled(self._features[samples], labels, weights)
