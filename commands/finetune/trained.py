"""The result of either training mode."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.models.classifier import Classifier
    from medfm_cli.models.spec import HeadSpec
    from medfm_cli.training.safety import Hazard

Curve = tuple[list[float], list[float]]


@dataclass(frozen=True, eq=False)
class TrainedClassifier:
    """A trained classifier.

    Attributes:
        classifier: in evaluation mode.
        head: the spec of its head.
        trainable: how many parameters were trained.
        selection: which weights were kept, as text.
        curves: {"training": (x, loss), "validation": (x, loss)}.
        x_label: the unit of the curves' x axis: "Epoch" or "Step".
        facts: training settings for the card, such as epochs and learning rate.
        overridden_hazards: unsafe augmentations that the recipe allows.
        probabilities: float64 [N,K] of all labelled samples, if the training computed them.
    """

    classifier: Classifier
    head: HeadSpec
    trainable: int
    selection: str
    x_label: str
    curves: dict[str, Curve] = field(default_factory=dict)
    facts: dict[str, str | int | float] = field(default_factory=dict)
    overridden_hazards: list[Hazard] = field(default_factory=list)
    probabilities: NDArray[np.float64] | None = None
