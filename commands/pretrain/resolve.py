"""What a pretraining will do, settled from recipe and data. Torch-free."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from medfm_cli.commands.pretrain.inputs.describe import input_text
from medfm_cli.commands.pretrain.inputs.inspect import Resolve, thin
from medfm_cli.commands.pretrain.inputs.resolve import kinds_of, settle_input
from medfm_cli.commands.pretrain.patching import settle_patches
from medfm_cli.commands.pretrain.subset import chosen_subjects
from medfm_cli.commands.pretrain.texts import having_text, told_texts
from medfm_cli.data.dataset import Dataset
from medfm_cli.data.inputs import AnyInput, Preprocessing
from medfm_cli.errors import DataError
from medfm_cli.models.spec import BackboneSpec, PatchSpec, swiglu_width
from medfm_cli.recipe import Plan
from medfm_cli.training.options import choose_batch, choose_steps
from medfm_cli.training.safety import known_of, refuse_unsafe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.objectives.options.base import Beside
    from medfm_cli.commands.pretrain.options import BackboneChoice
    from medfm_cli.commands.pretrain.recipe import PretrainRecipe

_LARGEST = 224
_PATCHES = 36
_BASE_BYTES = 700_000_000  # a process with torch in it, before it does anything
_FLOATS = 20  # kept for the gradient: per token, block and unit of width
_FORETOLD = 256  # samples that a dry run measures
NOUNS = {"image": "images", "volume": "volumes", "signal": "signals", "audio": "recordings"}


@dataclass(frozen=True)
class Survey:
    """The samples that are learnt from.

    Attributes:
        kinds: what they are.
        rows: their rows in the manifest.
        subjects: how many people they come from.
        side: median of their longer sides, in pixels.
        colour: whether any has three channels.
        texts: the text of every row of the manifest, where the objective asks for texts.
        without_text: how many samples are left out because they have none.
    """

    kinds: tuple[str, ...]
    rows: NDArray[np.int64]
    subjects: int
    side: int
    colour: bool
    texts: list[str] = field(default_factory=list)
    without_text: int = 0

    @property
    def noun(self) -> str:
        """What the samples are called, several of them."""
        return NOUNS.get(self.kinds[0], self.kinds[0])


def survey(recipe: PretrainRecipe, dataset: Dataset) -> Survey:
    """Look at the samples the recipe asks for.

    Raises:
        DataError: there are none, or none with a text where the objective asks for texts.
    """
    kinds = kinds_of(recipe.input, dataset)
    rows = dataset.rows(None if recipe.split == "all" else recipe.split, kind=kinds)
    if not len(rows):
        raise DataError(
            f"the dataset has no samples in the split '{recipe.split}'",
            hint="set split=all, or curate with another split",
        )
    texts = told_texts(recipe, dataset, rows)
    without_text = len(rows) - len(rows := having_text(rows, texts))
    table = dataset.samples.take(rows)
    if recipe.fraction < 1:
        subjects = table.column("subject_id").to_pylist()
        kept = chosen_subjects(subjects, recipe.fraction, seed=recipe.seed)
        rows, table = rows[kept], table.filter(pa.array(kept))
    sides = np.maximum(table.column("height").to_numpy(), table.column("width").to_numpy())
    return Survey(
        kinds=kinds,
        rows=rows,
        subjects=len(table.column("subject_id").unique()),
        side=int(statistics.median(sides.tolist())),
        colour=bool((table.column("channels").to_numpy() == 3).any()),
        texts=texts,
        without_text=without_text,
    )


def settle(
    recipe: PretrainRecipe, dataset: Dataset, found: Survey, resolve: Resolve
) -> tuple[AnyInput, BackboneSpec | PatchSpec]:
    """Settle what the network takes, and the encoder that takes it.

    Raises:
        DataError: the samples have nothing in common that a network could take.
    """
    wanted = settle_input(recipe.input, dataset, found.rows, resolve)
    if wanted is not None:
        return wanted, settle_patches(recipe.backbone, wanted, resolve)
    spec = settle_backbone(recipe.backbone, found, resolve)
    return Preprocessing(size=spec.image_size, channels=spec.channels), spec


def settle_backbone(choice: BackboneChoice, found: Survey, resolve: Resolve) -> BackboneSpec:
    """Settle what the recipe leaves to the data: image size, patch size, channels."""
    values = choice.model_dump(exclude={"weights", "coverage", "download", "patch_sides"})
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
    measured = recipe.input.kind in ("series", "audio")  # sample by sample: a few will do here
    few = replace(found, rows=thin(found.rows, _FORETOLD)) if measured else found
    wanted, spec = settle(recipe, dataset, few, lambda *_: None)
    refuse_unsafe(recipe.augment, known_of(dataset.card, wanted, colour=found.colour))
    batch = choose_batch(recipe, samples=len(found.rows), world=1)
    steps = choose_steps(recipe, samples=len(found.rows), batch=batch)
    seen = steps * batch / len(found.rows)
    lines = [
        f"pretrain on {len(found.rows)} samples of {found.subjects} subjects "
        f"(split {recipe.split} of {dataset.card.name})",
        f"{spec.name} on inputs of {input_text(wanted, spec)}; objective {recipe.objective.name}",
        f"{steps} steps of {batch} samples: every sample is seen about {seen:.0f} times",
    ]
    if found.without_text:
        lines.insert(1, f"{found.without_text} samples without a text are left out")
    if recipe.backbone.weights is not None:
        lines.append(f"it goes on from the weights of {recipe.backbone.weights}")
    encoder = count_parameters(spec)
    if not encoder:
        return Plan([*lines, "what timm's model needs is known only when it is built"])
    beside = count_beside(recipe, spec, encoder)
    trained, resting = encoder + (beside.trained if beside else 0), beside.resting if beside else 0
    weights, held = 4 * (trained + resting), 4 * (4 * trained + resting)
    activations = activation_bytes(recipe, spec, batch=batch // recipe.accumulate)
    training = held + activations  # weights, gradients, two moments; a teacher has weights alone
    gpu = any(Path("/dev").glob("nvidia[0-9]*"))
    memory = _BASE_BYTES + (weights if gpu else training)
    checkpoint = 3 * 4 * trained + 4 * resting + (weights if recipe.ema else 0)
    disk = 4 * encoder + (recipe.checkpoints.keep + 1) * checkpoint
    place = f"{training / 1e9:.1f} GB of GPU memory" if gpu else f"{memory / 1e9:.1f} GB of memory"
    lines += [
        f"the encoder has {encoder / 1e6:.1f} million parameters, {_beside_text(beside)}",
        f"about {place}, {disk / 1e6:.0f} MB on disk",
    ]
    return Plan(lines, disk_bytes=disk, memory_bytes=memory)


def count_beside(
    recipe: PretrainRecipe, spec: BackboneSpec | PatchSpec, encoder: int
) -> Beside | None:
    """Count what the objective has beside the encoder; None where it does not tell."""
    tell = getattr(recipe.objective, "beside", None)
    if tell is None or spec.preset is None:
        return None
    found: Beside | None = tell(encoder, dim=spec.preset.dim, patch=count_tokens(spec)[1])
    return found


def _beside_text(beside: Beside | None) -> str:
    if beside is None:
        return "what the objective has beside it is not known and not counted"
    resting = f", {beside.resting / 1e6:.1f} million at rest" if beside.resting else ""
    return f"the objective beside it {beside.trained / 1e6:.1f} million{resting}"


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
    """Estimate what is kept for the gradient of `batch` samples, roughly, in bytes."""
    preset, (tokens, _) = spec.preset, count_tokens(spec)
    if preset is None or not tokens:
        return 0
    width = preset.dim * preset.depth
    tell = getattr(recipe.objective, "kept", float)  # of another package it may say nothing
    return int(4 * _FLOATS * batch * tokens * tell(width))
