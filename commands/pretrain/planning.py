"""What a pretraining will do, settled from recipe and data. Torch-free."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from medfm_cli.commands.pretrain.fraction import chosen_subjects
from medfm_cli.data.dataset import Dataset
from medfm_cli.errors import DataError
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.recipe import Plan
from medfm_cli.training.options import choose_batch, choose_steps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.recipe import BackboneChoice, PretrainRecipe

_LARGEST = 224
_PATCHES = 36
_BASE_BYTES = 700_000_000  # a process with torch in it, before it does anything
_FLOATS = 20  # kept for the gradient: per token, block and unit of width

Resolve = Callable[[str, Any, str], None]


@dataclass(frozen=True)
class Survey:
    """The samples that are learnt from.

    Attributes:
        rows: their rows in the manifest.
        subjects: how many people they come from.
        side: median of their longer sides, in pixels.
        colour: whether any has three channels.
    """

    rows: NDArray[np.int64]
    subjects: int
    side: int
    colour: bool


def survey(recipe: PretrainRecipe, dataset: Dataset) -> Survey:
    """Look at the samples the recipe asks for.

    Raises:
        DataError: there are none.
    """
    rows = dataset.rows(None if recipe.split == "all" else recipe.split)
    if not len(rows):
        raise DataError(
            f"the dataset has no samples in the split '{recipe.split}'",
            hint="set split=all, or curate with another split",
        )
    table = dataset.samples.take(rows)
    if recipe.fraction < 1:
        subjects = table.column("subject_id").to_pylist()
        kept = chosen_subjects(subjects, recipe.fraction, seed=recipe.seed)
        rows, table = rows[kept], table.filter(pa.array(kept))
    sides = np.maximum(table.column("height").to_numpy(), table.column("width").to_numpy())
    return Survey(
        rows=rows,
        subjects=len(table.column("subject_id").unique()),
        side=int(statistics.median(sides.tolist())),
        colour=bool((table.column("channels").to_numpy() == 3).any()),
    )


def settle_backbone(choice: BackboneChoice, found: Survey, resolve: Resolve) -> BackboneSpec:
    """Settle what the recipe leaves to the data: image size, patch size, channels."""
    values = choice.model_dump(exclude={"weights", "coverage", "download"})
    if choice.channels == "auto":
        values["channels"] = 3 if found.colour else 1
        why = "some images have colour" if found.colour else "all images are grey"
        resolve("backbone.channels", values["channels"], why)
    if choice.image_size == "auto":
        values["image_size"] = _choose_size(found.side, patch=choice.patch_size)
        why = f"half of the images are at least {found.side} pixels long, 224 is the most"
        resolve("backbone.image_size", values["image_size"], why)
    if choice.preset is not None and choice.patch_size is None:
        patch = _choose_patch(values["image_size"], choice.preset.patch_size)
        values["patch_size"] = patch
        count = (values["image_size"] // patch) ** 2
        resolve("backbone.patch_size", patch, f"{count} patches of {values['image_size']} pixels")
    return BackboneSpec(**values)


def _choose_size(side: int, *, patch: int | None) -> int:
    step = patch or (8 if side >= 48 else 4)
    return max(step, min(_LARGEST, max(16, side)) // step * step)


def _choose_patch(size: int, preferred: int) -> int:
    """Halve the preset's patch until there are enough patches to hide most of them."""
    patch = preferred
    while patch > 2 and (size % patch or (size // patch) ** 2 < _PATCHES):
        patch //= 2
    return patch if size % patch == 0 else 1


def plan(recipe: PretrainRecipe) -> Plan:
    """Foretell steps, memory and disk."""
    dataset = Dataset.open(recipe.data)
    found = survey(recipe, dataset)
    spec = settle_backbone(recipe.backbone, found, lambda *_: None)
    batch = choose_batch(recipe, samples=len(found.rows), world=1)
    steps = choose_steps(recipe, samples=len(found.rows), batch=batch)
    seen = steps * batch / len(found.rows)
    lines = [
        f"pretrain on {len(found.rows)} samples of {found.subjects} subjects "
        f"(split {recipe.split} of {dataset.card.name})",
        f"{spec.name} at {spec.image_size} pixels, {spec.channels} channel(s), "
        f"objective {recipe.objective.name}",
        f"{steps} steps of {batch} samples: every sample is seen about {seen:.0f} times",
    ]
    parameters = count_parameters(spec)
    if not parameters:
        return Plan(lines)
    activations = activation_bytes(recipe, spec, batch=batch // recipe.accumulate)
    weights = 4 * parameters
    training = 4 * weights + activations  # weights, gradients, two moments
    gpu = any(Path("/dev").glob("nvidia[0-9]*"))
    memory = _BASE_BYTES + (weights if gpu else training)
    disk = weights + (recipe.checkpoints.keep + 1) * weights * (4 if recipe.ema else 3)
    place = f"{training / 1e9:.1f} GB of GPU memory" if gpu else f"{memory / 1e9:.1f} GB of memory"
    lines.append(
        f"about {parameters / 1e6:.1f} million parameters, {place}, {disk / 1e6:.0f} MB on disk"
    )
    return Plan(lines, disk_bytes=disk, memory_bytes=memory)


def count_parameters(spec: BackboneSpec) -> int:
    """Count the encoder's parameters; 0 for a timm name, whose size only timm knows.

    A block of width D has 12 D² + 13 D: attention 4 D² + 4 D, MLP 8 D² + 5 D, two norms 4 D.
    """
    preset, patch = spec.preset, spec.patch
    if preset is None or patch is None:
        return 0
    dim, tokens = preset.dim, (spec.image_size // patch) ** 2
    blocks = preset.depth * (12 * dim**2 + 13 * dim)
    return blocks + 2 * dim + tokens * dim + spec.channels * patch**2 * dim + dim


def activation_bytes(recipe: PretrainRecipe, spec: BackboneSpec, *, batch: int) -> int:
    """Estimate what is kept for the gradient of `batch` images, roughly, in bytes."""
    preset, patch = spec.preset, spec.patch
    if preset is None or patch is None:
        return 0
    tokens = (spec.image_size // patch) ** 2
    kept = recipe.objective.kept(preset.dim * preset.depth)
    return int(4 * _FLOATS * batch * tokens * kept)
