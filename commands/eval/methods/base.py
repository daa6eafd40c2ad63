"""The interface of everything that is scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.scoring.splits import SplitIndices


class Method(ABC):
    """Predicts class probabilities of images that it was not trained on.

    Attributes:
        name: in the tables.
        role: "model" or "baseline".
        description: one sentence for the report.
    """

    name: str
    role: Literal["model", "baseline"] = "baseline"
    description: str = ""

    @abstractmethod
    def predict(self, split: SplitIndices) -> NDArray[np.float64]:
        """Fit on `split.train`, select on `split.val` and predict `split.test`.

        Returns:
            float64 [m,K], one row per image of `split.test`, the mean over its tiles.
        """
