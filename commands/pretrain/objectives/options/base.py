"""The base of the options of every objective. Torch-free."""

from __future__ import annotations

import itertools
from typing import ClassVar, NamedTuple

from medfm_cli.recipe import Part


class ExtraParameters(NamedTuple):
    """Parameters of an objective beside the encoder: trainable, and frozen (a teacher)."""

    trainable: int
    frozen: int = 0


def count_layers(*sizes: int, bias: bool = True) -> int:
    """Count the parameters of linear layers from `sizes[0]` through to the last."""
    pairs = itertools.pairwise(sizes)
    return sum((before + bias) * after for before, after in pairs)


class ObjectiveOptions(Part):
    """The options of an objective: its name in recipes, its implementation, the data it needs.

    Attributes:
        name: a `Literal` with one value in every objective.
        implementation: `module:Class`, imported only when a run needs it.
        needs: data of every sample that it needs: `subjects`, `texts`.
    """

    name: str
    implementation: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()

    def activations(self, width: int) -> float:
        """Numbers kept for the gradient, a patch of a sample and in the encoder's own unit.

        `width` is the encoder's: units of all its blocks. An objective that encodes a part of the
        patches, several views, or has blocks of its own, overrides this; it is for an estimate.
        """
        return float(width)

    def extra_parameters(self, encoder: int, *, dim: int, patch: int) -> ExtraParameters | None:
        """Parameters beside an encoder of `encoder` parameters; None: not known. For an estimate.

        Args:
            encoder: the encoder's own parameters.
            dim: width of its features.
            patch: numbers in a patch.
        """
        del encoder, dim, patch
        return None
