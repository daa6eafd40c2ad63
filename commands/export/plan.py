"""What an export reads, and what it would do. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.commands.export.evaluation import evaluation_hash
from medfm_cli.data.card import read_card
from medfm_cli.models.config import WEIGHTS_FILE, content_hash, read_config
from medfm_cli.runs import Plan
from medfm_cli.runs.artefacts import find

if TYPE_CHECKING:
    from medfm_cli.commands.export.recipe import ExportRecipe

COPIES = 3
"""Room for the weights, the graph and the graph being written, as multiples of the weights."""


def inputs(recipe: ExportRecipe) -> dict[str, str]:
    """The content of the model, the datasets and the evaluation."""
    hashes = {
        "model": content_hash(find(recipe.model, "model")),
        "data": read_card(find(recipe.data, "dataset")).version,
    }
    for number, dataset in enumerate(recipe.datasets):
        hashes[f"datasets.{number}"] = read_card(find(dataset, "dataset")).version
    if recipe.eval is not None:
        hashes["eval"] = evaluation_hash(recipe.eval)
    return hashes


def plan(recipe: ExportRecipe) -> Plan:
    """What would be exported and compared."""
    folder = find(recipe.model, "model")
    config = read_config(folder, takes="image")
    weights = (folder / WEIGHTS_FILE).stat().st_size
    return Plan(
        [
            f"export the {config.kind} {config.backbone.name} "
            f"({config.parameters:,} parameters) to ONNX, opset {recipe.opset}",
            f"compare it with PyTorch on up to {recipe.parity.samples} images of {recipe.data}",
            f"time both for batches of {', '.join(map(str, recipe.latency.batch_sizes))}",
        ],
        disk_bytes=COPIES * weights,
        memory_bytes=2 * COPIES * weights,
    )
