"""The cells of a study: one training of the grid each. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.study.options import Study


@dataclass(frozen=True)
class Cell:
    """One pretraining of the grid."""

    model: str
    fraction: float
    objective: str
    seed: int

    @property
    def name(self) -> str:
        """Its name, which a file may have."""
        parts = (self.objective, self.model, f"{self.fraction:g}", f"seed{self.seed}")
        return "-".join(parts).replace("/", "_")


def grid(study: Study, *, objective: str) -> list[Cell]:
    """Every cell: objectives (`objective` where the study names none), models, fractions, seeds."""
    objectives = [each["name"] for each in study.objectives] or [objective]
    return [
        Cell(model, fraction, name, seed)
        for name, model, fraction, seed in product(
            objectives, study.models, study.fractions, study.seeds
        )
    ]
