"""Options that the objectives with negatives share. Torch-free."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from medfm_cli.commands.pretrain.objectives.options.base import ObjectiveOptions, count_layers
from medfm_cli.recipe import Part


class ContrastiveOptions(ObjectiveOptions):
    """Which samples are negatives of each other."""

    needs: ClassVar[frozenset[str]] = frozenset({"subjects"})
    subject_aware: bool = Field(
        True, description="Samples of one subject are not negatives of each other."
    )
    same_subject: Literal["ignore", "positive"] = Field(
        "ignore",
        description="Other samples of the same subject: left out of the comparison, or "
        "positives like the sample's own other view.",
    )

    def activations(self, width: int) -> float:
        """Every patch of two views in the encoder."""
        return 2.0 * width


class ContrastiveHead(Part):
    """The MLP with BatchNorm between encoder and comparison; discarded after pretraining."""

    hidden: int = Field(2048, ge=1, description="Width of the hidden layers.")
    out: int = Field(128, ge=2, description="Numbers that are compared.")
    layers: int = Field(2, ge=1, description="Linear layers of the projection.")

    def count(self, dim: int, *, layers: int | None = None) -> int:
        """Count the parameters from `dim` numbers on: no biases, BatchNorm after hidden layers."""
        between = (layers or self.layers) - 1
        sizes = (dim, *[self.hidden] * between, self.out)
        return count_layers(*sizes, bias=False) + 2 * self.hidden * between
