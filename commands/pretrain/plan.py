"""The inputs and the plan (`--dry-run`) of a pretraining. Torch-free."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from medfm_cli.commands.pretrain.monitor_options import SAME
from medfm_cli.data.card import read_card
from medfm_cli.errors import DataError
from medfm_cli.runs import Plan
from medfm_cli.runs.artefacts import find, holds

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.recipe import PretrainRecipe


def inputs(recipe: PretrainRecipe) -> dict[str, str]:
    """The versions of the datasets; the sha256 of the initial weights and of other files."""
    hashes = {"data": read_card(find(recipe.data, "dataset")).version}
    if recipe.monitor.data not in (None, SAME):
        hashes["monitor"] = read_card(find(str(recipe.monitor.data), "dataset")).version
    for task in recipe.tasks:
        if task.data != SAME:
            hashes[f"tasks.{task.name}"] = read_card(find(task.data, "dataset")).version
    if (weights := recipe.backbone.weights) is not None:
        from medfm_cli.models.origin import find_weights  # needs numpy, as few recipes do

        origin = find_weights(weights, download=recipe.backbone.download)
        hashes["backbone.weights"] = origin.sha256()
    # An objective of another package may have no such method.
    files: dict[str, Path] = getattr(recipe.objective, "files", dict)()
    return hashes | {key: _sha256(path) for key, path in files.items()}


def plan(recipe: PretrainRecipe) -> Plan:
    """Length, memory and disk of the training."""
    if not holds(recipe.data, "dataset"):
        return Plan(["pretrain on the curated samples (how many is known after curation)"])
    from medfm_cli.commands.pretrain.estimates import plan_of_training  # needs numpy and pyarrow

    one = plan_of_training(recipe)
    return one if recipe.study is None else _plan_of_study(recipe, one)


def _plan_of_study(recipe: PretrainRecipe, one: Plan) -> Plan:
    """The plan of a study; `one` is the plan of the recipe's own backbone."""
    cells = recipe.cells()
    tasks = ", ".join(task.name for task in recipe.tasks)
    return Plan(
        [
            f"a study of {len(cells)} pretrainings, each scored on {tasks}",
            f"the first: {cells[0].name}, the last: {cells[-1].name}",
            *one.lines[:1],
        ],
        disk_bytes=len(cells) * one.disk_bytes,
        memory_bytes=one.memory_bytes,
    )


def _sha256(path: Path) -> str:
    """The sha256 (hex) of a file, or over the names and bytes of a folder's files.

    Raises:
        DataError: there is no such file.
    """
    files = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.is_file())
    if not files:
        raise DataError(f"'{path}' does not exist")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            digest.update(f"{file.name}\n".encode())
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()
