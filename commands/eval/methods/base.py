"""The face of everything that is scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.commands.eval.protocol import Split


class Method(ABC):
    """Something that says how probable each class is, for images it did not learn from.

    Attributes:
        name: in the tables.
        role: "model" or "baseline".
        about: one sentence for the report.
    """

    name: str
    role: Literal["model", "baseline"] = "baseline"
    about: str = ""

    @abstractmethod
    def predict(self, split: Split) -> NDArray[np.float64]:
        """Learn from `split.train` (choose on `split.val`) and predict `split.test`.

        Returns:
            float64 [m,K], a row for each image of `split.test`, the mean over its tiles.
        """
