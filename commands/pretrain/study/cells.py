"""The cells of a study: which there are, and the recipe of each. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfm_cli.commands.pretrain.monitor_options import SAME
from medfm_cli.models.spec import HUB

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.recipe import PretrainRecipe


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


def cells(recipe: PretrainRecipe) -> list[Cell]:
    """Every cell of the grid: objectives, models, fractions, and seeds last."""
    study = recipe.study
    if study is None:
        return []
    objectives = [each["name"] for each in study.objectives] or [recipe.objective.name]
    return [
        Cell(model, fraction, objective, seed)
        for objective, model, fraction, seed in product(
            objectives, study.models, study.fractions, study.seeds
        )
    ]


def recipe_of(cell: Cell, recipe: PretrainRecipe) -> dict[str, Any]:
    """The recipe of a cell as plain values; paths are absolute, for it may run elsewhere."""
    study = recipe.study
    values = recipe.model_dump(mode="json", exclude_unset=True)
    values.pop("study", None)
    blocks = {each["name"]: each for each in study.objectives} if study else {}
    values["data"] = _absolute(recipe.data)
    values["backbone"] = values.get("backbone", {}) | {"name": cell.model}
    values["objective"] = blocks.get(cell.objective) or recipe.objective.model_dump(mode="json")
    values["fraction"], values["seed"] = cell.fraction, cell.seed
    values["tasks"] = [{"name": task.name, "data": _absolute(task.data)} for task in recipe.tasks]
    if (weights := recipe.backbone.weights) is not None and not weights.startswith(HUB):
        values["backbone"]["weights"] = _absolute(weights)
    if recipe.watch.data is not None:
        values["watch"] = values["watch"] | {"data": _absolute(recipe.watch.data)}
    return values


def _absolute(path: str) -> str:
    return path if path == SAME else str(Path(path).resolve())
