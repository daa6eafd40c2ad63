"""The encoder that training starts from: a model directory or random weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medfm_cli.commands.finetune.recipe import RANDOM
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.config import ModelConfig, read_config
from medfm_cli.models.directory import load_encoder
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.runs.artefacts import find
from medfm_cli.training.randomness import derive

if TYPE_CHECKING:
    from medfm_cli.commands.finetune.recipe import FinetuneRecipe
    from medfm_cli.data import Dataset
    from medfm_cli.models.backbones import Backbone
    from medfm_cli.runs import Run


@dataclass(frozen=True)
class InitialModel:
    """An encoder before training.

    Attributes:
        backbone: on the CPU.
        preprocessing: how images become its input.
        key: identifies the weights in caches of their features.
        name: as shown in the report.
        config: of the model directory; None for random weights.
    """

    backbone: Backbone
    preprocessing: Preprocessing
    key: str
    name: str
    config: ModelConfig | None

    @property
    def random(self) -> bool:
        """Whether the weights are random."""
        return self.config is None


def load_initial_model(recipe: FinetuneRecipe, dataset: Dataset, run: Run) -> InitialModel:
    """Load the encoder, or build one with random weights.

    Raises:
        DataError: the model is missing, damaged or incomplete.
        UsageError: the architecture is unknown or does not support this image size.
    """
    return (
        _random(recipe, dataset, run) if recipe.model == RANDOM else _loaded(recipe, dataset, run)
    )


def _loaded(recipe: FinetuneRecipe, dataset: Dataset, run: Run) -> InitialModel:
    path = find(recipe.model, "model")
    size = None if recipe.image_size == "auto" else recipe.image_size
    loaded = load_encoder(path, image_size=size)
    if recipe.image_size == "auto":
        run.resolve("image_size", loaded.config.preprocessing.size, "the encoder's image size")
    run.log("loaded", kind=loaded.config.kind, coverage=loaded.report.coverage)
    return InitialModel(
        backbone=loaded.backbone,
        preprocessing=_tiled_as(loaded.config.preprocessing, dataset),
        key=loaded.config.weights_sha256,
        name=f"the {loaded.config.kind} {loaded.config.backbone.name}",
        config=loaded.config,
    )


def _random(recipe: FinetuneRecipe, dataset: Dataset, run: Run) -> InitialModel:
    like = read_config(find(recipe.like, "model"), takes="image") if recipe.like else None
    spec = like.backbone if like else recipe.backbone or _default_spec(dataset, run)
    if recipe.image_size != "auto":
        spec = spec.model_copy(update={"image_size": recipe.image_size})
    else:
        run.resolve("image_size", spec.image_size, "the architecture's image size")
    preprocessing = (
        like.preprocessing.model_copy(update={"size": spec.image_size})
        if like
        else Preprocessing(size=spec.image_size, channels=spec.channels)
    )
    spec = spec.model_copy(update={"pretrained": False})
    seed = derive(recipe.seed, "random backbone")
    return InitialModel(
        backbone=build_backbone(spec, seed=seed),
        preprocessing=_tiled_as(preprocessing, dataset),
        key=f"random:{spec.model_dump_json()}:{seed}",
        name=f"random weights of {spec.name}",
        config=None,
    )


def _default_spec(dataset: Dataset, run: Run) -> BackboneSpec:
    colour = max(dataset.column("channels"), default=1) == 3
    spec = BackboneSpec(channels=3 if colour else 1)
    run.resolve("backbone.channels", spec.channels, "colour" if colour else "all images are grey")
    return spec


def _tiled_as(preprocessing: Preprocessing, dataset: Dataset) -> Preprocessing:
    """Tile new images as this dataset was tiled, because the head is trained on such tiles."""
    return preprocessing.model_copy(update=dict(dataset.card.cutting))
