"""The samples, input and encoder of a pretraining, resolved from recipe and data. Torch-free."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from medfm_cli.commands.pretrain.inputs.inspect import Resolve
from medfm_cli.commands.pretrain.inputs.resolve import kinds_of, resolve_input
from medfm_cli.commands.pretrain.patching import resolve_patches
from medfm_cli.commands.pretrain.subset import chosen_subjects
from medfm_cli.commands.pretrain.texts import having_text, sample_texts
from medfm_cli.data.dataset import Dataset
from medfm_cli.data.inputs import AnyInput, Preprocessing
from medfm_cli.errors import DataError
from medfm_cli.models.spec import BackboneSpec, PatchSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.options import BackboneChoice
    from medfm_cli.commands.pretrain.recipe import PretrainRecipe

_LARGEST = 224
_PATCHES = 36
NOUNS = {"image": "images", "volume": "volumes", "signal": "signals", "audio": "recordings"}


@dataclass(frozen=True)
class TrainingSamples:
    """The training samples.

    Attributes:
        kinds: their kinds, that of the input first.
        rows: their rows in the manifest.
        subjects: number of subjects.
        side: median of their longer sides, in pixels.
        colour: whether any has three channels.
        texts: the text of every row of the manifest, if the objective needs texts.
        without_text: number of samples left out because they have none.
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
        """The plural of their kind, for reports."""
        return NOUNS.get(self.kinds[0], self.kinds[0])


def inspect_dataset(recipe: PretrainRecipe, dataset: Dataset) -> TrainingSamples:
    """Select the training samples of the recipe.

    Raises:
        DataError: there are none, or none with a text although the objective needs texts.
    """
    kinds = kinds_of(recipe.input, dataset)
    rows = dataset.rows(None if recipe.split == "all" else recipe.split, kind=kinds)
    if not len(rows):
        raise DataError(
            f"the dataset has no samples in the split '{recipe.split}'",
            hint="set split=all, or curate with another split",
        )
    texts = sample_texts(recipe, dataset, rows)
    without_text = len(rows) - len(rows := having_text(rows, texts))
    table = dataset.samples.take(rows)
    if recipe.fraction < 1:
        subjects = table.column("subject_id").to_pylist()
        kept = chosen_subjects(subjects, recipe.fraction, seed=recipe.seed)
        rows, table = rows[kept], table.filter(pa.array(kept))
    sides = np.maximum(table.column("height").to_numpy(), table.column("width").to_numpy())
    return TrainingSamples(
        kinds=kinds,
        rows=rows,
        subjects=len(table.column("subject_id").unique()),
        side=int(statistics.median(sides.tolist())),
        colour=bool((table.column("channels").to_numpy() == 3).any()),
        texts=texts,
        without_text=without_text,
    )


def resolve_network(
    recipe: PretrainRecipe, dataset: Dataset, samples: TrainingSamples, resolve: Resolve
) -> tuple[AnyInput, BackboneSpec | PatchSpec]:
    """Resolve the input of the network and the encoder.

    Raises:
        DataError: the samples do not share an input that a network could take.
    """
    preprocessing = resolve_input(recipe.input, dataset, samples.rows, resolve)
    if preprocessing is not None:
        return preprocessing, resolve_patches(recipe.backbone, preprocessing, resolve)
    spec = resolve_backbone(recipe.backbone, samples, resolve)
    return Preprocessing(size=spec.image_size, channels=spec.channels), spec


def resolve_backbone(
    choice: BackboneChoice, samples: TrainingSamples, resolve: Resolve
) -> BackboneSpec:
    """Resolve image size, patch size and channels from the data where the recipe says `auto`."""
    values = choice.model_dump(exclude={"weights", "coverage", "download", "patch_sides"})
    if choice.channels == "auto":
        values["channels"] = 3 if samples.colour else 1
        why = "some images have colour" if samples.colour else "all images are grey"
        resolve("backbone.channels", values["channels"], why)
    if choice.image_size == "auto":
        values["image_size"] = _choose_size(samples.side, patch=choice.patch_size)
        why = f"median longer side {samples.side} pixels, at most 224"
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
    """Halve the preset's patch until there are enough patches to mask most of them."""
    patch = preferred
    while patch > 2 and (size % patch or (size // patch) ** 2 < _PATCHES):
        patch //= 2
    return patch if size % patch == 0 else 1
