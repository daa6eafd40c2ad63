"""An encoder under a linear probe: pretrained, or with random weights as a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.commands.eval.methods.base import Method
from medfm_cli.scoring.probes import fit_image_probe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.scoring.splits import SplitIndices
    from medfm_cli.training.probing import ProbeKeys


class LinearProbe(Method):
    """A linear probe on features that are the same in every split.

    Args:
        features: float32 [N,D], of the labelled samples.
    """

    def __init__(
        self,
        name: str,
        features: NDArray[np.float32],
        keys: ProbeKeys,
        *,
        balanced: bool,
        seed: int,
    ) -> None:
        self.name = name
        self._features, self._keys = features, keys
        self._balanced, self._seed = balanced, seed

    def predict(self, split: SplitIndices) -> NDArray[np.float64]:
        """Fit the probe on the training images; the validation images select the epoch."""
        fitted = fit_image_probe(
            self._features, split, self._keys, balanced=self._balanced, seed=self._seed
        )
        samples = split.images.samples(split.test)
        return split.images.average(split.test, fitted.probabilities(self._features[samples]))
