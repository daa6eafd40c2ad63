"""Estimates of the length of a pretraining, its memory and disk. Torch-free."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from medfm_cli.commands.pretrain.inputs.describe import input_text
from medfm_cli.commands.pretrain.inputs.inspect import evenly_spaced
from medfm_cli.commands.pretrain.resolve import inspect_dataset, resolve_network
from medfm_cli.data.dataset import Dataset
from medfm_cli.models.spec import BackboneSpec, PatchSpec, swiglu_width
from medfm_cli.runs import Plan
from medfm_cli.training.options import choose_batch, choose_steps
from medfm_cli.training.safety import known_of, refuse_unsafe

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.objectives.options.base import ExtraParameters
    from medfm_cli.commands.pretrain.recipe import PretrainRecipe

_BASE_BYTES = 700_000_000  # a process with torch in it, before it does anything
_MEASURED = 256  # samples that a dry run measures
_FLOATS = 20  # kept for the gradient: per token, block and unit of width


def plan_of_training(recipe: PretrainRecipe) -> Plan:
    """Estimate steps, memory and disk."""
    dataset = Dataset.open(recipe.data)
    samples = inspect_dataset(recipe, dataset)
    measured = recipe.input.kind in ("series", "audio")  # sample by sample: a few will do here
    few = replace(samples, rows=evenly_spaced(samples.rows, _MEASURED)) if measured else samples
    preprocessing, spec = resolve_network(recipe, dataset, few, lambda *_: None)
    refuse_unsafe(recipe.augment, known_of(dataset.card, preprocessing, colour=samples.colour))
    batch = choose_batch(recipe, samples=len(samples.rows), world=1)
    steps = choose_steps(recipe, samples=len(samples.rows), batch=batch)
    epochs = steps * batch / len(samples.rows)
    lines = [
        f"pretrain on {len(samples.rows)} samples of {samples.subjects} subjects "
        f"(split {recipe.split} of {dataset.card.name})",
        f"{spec.name} on inputs of {input_text(preprocessing, spec)}; "
        f"objective {recipe.objective.name}",
        f"{steps} steps of {batch} samples: every sample is used about {epochs:.0f} times",
    ]
    if samples.without_text:
        lines.insert(1, f"{samples.without_text} samples without a text are left out")
    if recipe.backbone.weights is not None:
        lines.append(f"initial weights: {recipe.backbone.weights}")
    encoder = count_parameters(spec)
    if not encoder:
        return Plan([*lines, "the memory of a timm model is known only once it is built"])
    extra = count_extra_parameters(recipe, spec, encoder)
    trained, frozen = encoder + (extra.trainable if extra else 0), extra.frozen if extra else 0
    weights, held = 4 * (trained + frozen), 4 * (4 * trained + frozen)
    activations = activation_bytes(recipe, spec, batch=batch // recipe.accumulate)
    training = held + activations  # weights, gradients, two moments; a teacher has weights alone
    gpu = any(Path("/dev").glob("nvidia[0-9]*"))
    memory = _BASE_BYTES + (weights if gpu else training)
    checkpoint = 3 * 4 * trained + 4 * frozen + (weights if recipe.ema else 0)
    disk = 4 * encoder + (recipe.checkpoints.keep + 1) * checkpoint
    place = f"{training / 1e9:.1f} GB of GPU memory" if gpu else f"{memory / 1e9:.1f} GB of memory"
    lines += [
        f"the encoder has {encoder / 1e6:.1f} million parameters, {_extra_text(extra)}",
        f"about {place}, {disk / 1e6:.0f} MB on disk",
    ]
    return Plan(lines, disk_bytes=disk, memory_bytes=memory)


def _extra_text(extra: ExtraParameters | None) -> str:
    if extra is None:
        return "the parameters of the objective are unknown and not counted"
    frozen = f", {extra.frozen / 1e6:.1f} million frozen" if extra.frozen else ""
    return f"the objective adds {extra.trainable / 1e6:.1f} million{frozen}"


def count_extra_parameters(
    recipe: PretrainRecipe, spec: BackboneSpec | PatchSpec, encoder: int
) -> ExtraParameters | None:
    """Count the parameters of the objective beside the encoder; None if it does not report them."""
    estimate = getattr(recipe.objective, "extra_parameters", None)
    if estimate is None or spec.preset is None:
        return None
    patch = count_tokens(spec)[1]
    extra: ExtraParameters | None = estimate(encoder, dim=spec.preset.dim, patch=patch)
    return extra


def count_tokens(spec: BackboneSpec | PatchSpec) -> tuple[int, int]:
    """Count the patches of an input and the numbers in each; 0 and 0 where only timm knows."""
    if isinstance(spec, PatchSpec):
        parts = zip(spec.shape, spec.patch, strict=True)
        count = math.prod(side // part for side, part in parts)
        return count, spec.channels * math.prod(spec.patch)
    if spec.preset is None or spec.patch is None:
        return 0, 0
    return (spec.image_size // spec.patch) ** 2, spec.channels * spec.patch**2


def count_parameters(spec: BackboneSpec | PatchSpec) -> int:
    """Count the encoder's parameters; 0 for a timm name, whose size only timm knows.

    A block of width D has 12 D² + 13 D: attention 4 D² + 4 D, MLP 8 D² + 5 D, two norms 4 D.
    A gated MLP of width W has 3 D W + 2 W + D instead, and LayerScale has 2 D more.
    """
    preset, (tokens, numbers) = spec.preset, count_tokens(spec)
    if preset is None or not tokens:
        return 0
    dim, wide = preset.dim, swiglu_width(preset.dim)
    mlp = 8 * dim**2 + 5 * dim if spec.mlp == "gelu" else 3 * dim * wide + 2 * wide + dim
    block = 4 * dim**2 + 8 * dim + mlp + (2 * dim if spec.layer_scale else 0)
    places = tokens + spec.registers + spec.class_token
    return preset.depth * block + 2 * dim + places * dim + numbers * dim + dim


def activation_bytes(recipe: PretrainRecipe, spec: BackboneSpec | PatchSpec, *, batch: int) -> int:
    """Estimate the bytes of activations kept for the gradient of `batch` samples."""
    preset, (tokens, _) = spec.preset, count_tokens(spec)
    if preset is None or not tokens:
        return 0
    width = preset.dim * preset.depth
    activations = getattr(recipe.objective, "activations", float)  # optional in other packages
    return int(4 * _FLOATS * batch * tokens * activations(width))
