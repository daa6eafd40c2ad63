"""What the options of every objective tell. Torch-free."""

from __future__ import annotations

from typing import ClassVar

from medfm_cli.recipe import Part


class ObjectiveOptions(Part):
    """The options of an objective: its name in recipes, where it stands, what it asks for.

    Attributes:
        name: a `Literal` with one value in every objective.
        implementation: `module:Class`, imported only when a run needs it.
        asks: what it must be told of every sample: `subjects`, `texts`.
    """

    name: str
    implementation: ClassVar[str]
    asks: ClassVar[frozenset[str]] = frozenset()

    def kept(self, width: int) -> float:
        """Numbers kept for the gradient, a patch of a sample and in the encoder's own unit.

        `width` is the encoder's: units of all its blocks. An objective that encodes a part of the
        patches, several views, or has blocks of its own, says so here; it is for an estimate.
        """
        return float(width)
