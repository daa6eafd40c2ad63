"""What either way of training gives back."""

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
class Trained:
    """A trained classifier.

    Attributes:
        classifier: in evaluation mode.
        head: the spec of its head.
        trainable: how many parameters were trained.
        chosen: which weights were kept, in words.
        curves: {"training": (x, loss), "validation": (x, loss)}.
        x: what the x of the curves counts: "Epoch" or "Step".
        facts: what is worth naming in the card: epochs, rates.
        allowed: unsafe augmentations that the recipe allows.
        probabilities: float64 [N,K] of all labelled samples, where training leaves them behind.
    """

    classifier: Classifier
    head: HeadSpec
    trainable: int
    chosen: str
    x: str
    curves: dict[str, Curve] = field(default_factory=dict)
    facts: dict[str, str | int | float] = field(default_factory=dict)
    allowed: list[Hazard] = field(default_factory=list)
    probabilities: NDArray[np.float64] | None = None
