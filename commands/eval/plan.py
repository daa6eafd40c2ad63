"""What an evaluation reads, and what it would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.data.card import read_card
from medfm_cli.models.config import content_hash
from medfm_cli.runs import Plan
from medfm_cli.runs.artefacts import find, holds

if TYPE_CHECKING:
    from medfm_cli.commands.eval.recipe import EvalRecipe


def inputs(recipe: EvalRecipe) -> dict[str, str]:
    """The content of the dataset and of every model."""
    hashes = {"data": read_card(find(recipe.data, "dataset")).version}
    for name, reference in recipe.models.items():
        hashes[f"models.{name}"] = content_hash(find(reference, "model"))
    return hashes


def plan(recipe: EvalRecipe) -> Plan:
    """What would be compared, on what."""
    methods = f"{', '.join(recipe.models)} beside {', '.join(recipe.baselines) or 'no baseline'}"
    if not holds(recipe.data, "dataset"):
        return Plan([f"score {methods} on the labelled images (counted after curation)"])
    counts = read_card(find(recipe.data, "dataset")).counts
    test = counts.splits.get("test")
    held_out = f"{test.images:,} images of {test.subjects:,} subjects" if test else "none"
    lines = [
        f"score {methods}",
        f"data: {counts.images:,} images of {counts.subjects:,} subjects; test split: {held_out}",
        f"protocol: {recipe.protocol}",
    ]
    return Plan(lines, disk_bytes=50_000_000)
