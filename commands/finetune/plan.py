"""What a fine-tuning reads, and what it would do. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from medfm_cli.commands.finetune.recipe import RANDOM
from medfm_cli.data.card import read_card
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.models.config import content_hash, read_config
from medfm_cli.runs import Plan
from medfm_cli.runs.artefacts import find, holds
from medfm_cli.training.safety import known_of, refuse_unsafe

if TYPE_CHECKING:
    from medfm_cli.commands.finetune.recipe import FinetuneRecipe


def inputs(recipe: FinetuneRecipe) -> dict[str, str]:
    """The content of the dataset and of the models."""
    hashes = {"data": read_card(find(recipe.data, "dataset")).version}
    if recipe.model != RANDOM:
        hashes["model"] = content_hash(find(recipe.model, "model"))
    if recipe.like is not None:
        hashes["like"] = content_hash(find(recipe.like, "model"))
    return hashes


def plan(recipe: FinetuneRecipe) -> Plan:
    """What would be trained, from which weights, on what.

    Raises:
        UsageError: a random view is unsafe for these data.
    """
    trained = "a linear probe on frozen features" if recipe.mode == "probe" else "all weights"
    if not holds(recipe.data, "dataset"):
        return Plan([f"train {trained} on the labelled images (counted after curation)"])
    _refuse_unsafe_views(recipe)
    counts = read_card(find(recipe.data, "dataset")).counts
    labels = ", ".join(f"{name} {count:,}" for name, count in counts.labels.items())
    lines = [
        f"train {trained}, starting from {recipe.model}",
        f"data: {counts.images:,} images of {counts.subjects:,} subjects ({labels})",
    ]
    return Plan(lines, disk_bytes=200_000_000)


def _refuse_unsafe_views(recipe: FinetuneRecipe) -> None:
    """Apply the safety rules where the number of channels is known without reading images."""
    channels = None if recipe.mode == "probe" else _channels(recipe)
    if channels is None:
        return
    card = read_card(find(recipe.data, "dataset"))
    known = known_of(card, Preprocessing(size=8, channels=channels), colour=channels == 3)
    refuse_unsafe(recipe.augment, known)


def _channels(recipe: FinetuneRecipe) -> Literal[1, 3] | None:
    """The channels of the network's input; None where the images decide or there is no model."""
    model = recipe.like if recipe.model == RANDOM else recipe.model
    if model is None:
        return recipe.backbone.channels if recipe.backbone is not None else None
    if not holds(model, "model"):
        return None
    return read_config(find(model, "model"), takes="image").backbone.channels
