"""What the verb for tests reads and needs."""

from medfm_cli.commands.toy.recipe import ToyRecipe

from medfm_cli.runs import Plan
from medfm_cli.runs.artefacts import find
from medfm_cli.runs.identity import digest


def inputs(recipe: ToyRecipe) -> dict[str, str]:
    """The dataset's version."""
    if recipe.data is None:
        return {}
    return {"data": digest((find(recipe.data, "dataset") / "dataset.json").read_text("utf-8"))}


def plan(recipe: ToyRecipe) -> Plan:
    """One line, and the needs that the recipe states."""
    return Plan([f"count to {recipe.units}"], recipe.needs_disk, recipe.needs_memory)
