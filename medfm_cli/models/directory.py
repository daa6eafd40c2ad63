"""The model directory: config.json, model.safetensors, card.md. Written whole, loaded whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, TypeVar, overload

from medfm_cli.errors import DataError
from medfm_cli.models.backbones import Backbone, build_backbone
from medfm_cli.models.card import render_model_card
from medfm_cli.models.classifier import Classifier
from medfm_cli.models.config import (
    CARD_FILE,
    CONFIG_FILE,
    WEIGHTS_FILE,
    ImageConfig,
    ModelConfig,
    read_config,
    verified_file,
)
from medfm_cli.models.heads import build_head
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.models.weights import (
    LoadReport,
    Tensors,
    load_backbone_weights,
    load_exactly,
    read_tensors,
)
from medfm_cli.runs.atomic import replace_dir
from medfm_cli.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn


ModelKind = Literal["encoder", "classifier"]
AnyConfig = TypeVar("AnyConfig", bound=ModelConfig)


@dataclass(frozen=True, slots=True)
class LoadedModel(Generic[AnyConfig]):
    """A model in evaluation mode, its config, and the loading report."""

    module: Backbone | Classifier
    config: AnyConfig
    report: LoadReport

    @property
    def backbone(self) -> Backbone:
        """The encoder, with or without a head on it."""
        return self.module.backbone if isinstance(self.module, Classifier) else self.module


ImageModel = LoadedModel[ImageConfig]
"""A model of images."""


def save_model(
    directory: Path,
    module: Backbone | Classifier,
    config: ModelConfig,
    *,
    files: Mapping[str, bytes] | None = None,
) -> ModelConfig:
    """Write a model directory atomically: a reader sees either the old or the new one.

    Args:
        directory: replaced if it exists.
        module: a Backbone (kind "encoder") or a Classifier (kind "classifier").
        config: its parameter count, weights hash and medfm version are filled in here, and the
            output of the last step of its lineage.
        files: more files that belong to it, by name.

    Returns:
        The config as written.
    """
    from safetensors.torch import save

    tensors = _to_tensors(module)
    payload = save(tensors)
    weights = _sha256(payload)
    complete = config.model_copy(
        update={
            "lineage": config.lineage.ended_by(weights),
            "medfm": __version__,
            "parameters": sum(parameter.numel() for parameter in module.parameters()),
            "weights_sha256": weights,
            "files": {name: _sha256(content) for name, content in (files or {}).items()},
        }
    ).sealed()
    with replace_dir(directory) as staging:
        (staging / WEIGHTS_FILE).write_bytes(payload)
        (staging / CONFIG_FILE).write_text(complete.to_file())
        (staging / CARD_FILE).write_text(render_model_card(complete))
        for name, content in (files or {}).items():
            (staging / name).write_bytes(content)
    return complete


@overload
def load_model(
    directory: Path | str, *, takes: Literal["image"], kind: ModelKind | None = None
) -> ImageModel: ...
@overload
def load_model(
    directory: Path | str, *, takes: None = None, kind: ModelKind | None = None
) -> LoadedModel[ModelConfig]: ...
def load_model(
    directory: Path | str,
    *,
    takes: Literal["image"] | None = None,
    kind: ModelKind | None = None,
) -> ImageModel | LoadedModel[ModelConfig]:
    """Load a model directory: every tensor, checked against the hash in its config.

    Args:
        directory: a model directory.
        takes: refuse models of any other input; the config is then an ImageConfig.
        kind: refuse any other kind.

    Raises:
        DataError: not a model directory, of another kind, damaged, or incomplete.
    """
    directory = Path(directory)
    config = read_config(directory, takes=takes)
    if kind is not None and config.kind != kind:
        raise DataError(f"{directory} is {_article(config.kind)}; {_article(kind)} is required")
    module = _empty_module(config)
    tensors = read_tensors(verified_weights(directory, config))
    report = load_exactly(_carrier(module), tensors, source=str(directory))
    module.eval()
    return LoadedModel(module, config, report)


def load_encoder(directory: Path | str, *, image_size: int | None = None) -> ImageModel:
    """Load only the image encoder, from the directory of an encoder or a classifier.

    With another `image_size`, timm resizes the position embeddings; the returned config has the
    new size in its backbone and preprocessing.

    Raises:
        DataError: as for `load_model`.
    """
    loaded = load_model(directory, takes="image")
    config, backbone = loaded.config, loaded.backbone
    if image_size is not None and image_size != config.backbone.image_size:
        backbone, config, report = _resized(Path(directory), config, image_size)
        loaded = LoadedModel(backbone, config, report)
    return LoadedModel(backbone, config, loaded.report)


def _resized(
    directory: Path, config: ImageConfig, image_size: int
) -> tuple[Backbone, ImageConfig, LoadReport]:
    spec = config.backbone.model_copy(update={"image_size": image_size})
    preprocessing = config.preprocessing.model_copy(update={"size": image_size})
    backbone = build_backbone(spec.model_copy(update={"pretrained": False}))
    report = load_backbone_weights(backbone, directory / WEIGHTS_FILE)
    config = config.model_copy(update={"backbone": spec, "preprocessing": preprocessing})
    backbone.eval()
    return backbone, config, report


def _empty_module(config: ModelConfig) -> Backbone | Classifier:
    spec = config.backbone
    if isinstance(spec, BackboneSpec):
        spec = spec.model_copy(update={"pretrained": False})
    backbone = build_backbone(spec, seed=0)
    if config.head is None:
        return backbone
    return Classifier(backbone, build_head(config.head, dim=backbone.dim))


def _carrier(module: Backbone | Classifier) -> nn.Module:
    """The module whose tensor names are in the file: timm's names for an encoder."""
    return module if isinstance(module, Classifier) else module.net


def _to_tensors(module: Backbone | Classifier) -> Tensors:
    state = _carrier(module).state_dict()
    return {name: value.detach().cpu().contiguous() for name, value in state.items()}


def verified_weights(directory: Path, config: ModelConfig) -> Path:
    """The weights file, after checking its hash against the config."""
    return verified_file(directory, WEIGHTS_FILE, config.weights_sha256)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _article(kind: str) -> str:
    return f"an {kind}" if kind == "encoder" else f"a {kind}"
