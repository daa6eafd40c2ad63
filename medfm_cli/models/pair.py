"""Images and texts in a shared space: the text side that `clip` and `siglip` train.

The model directory has, in addition to the encoder's files: `text.safetensors` (text tower, both
projections, scale and bias), `text.json` (its configuration and hashes) and `tokenizer.json`.
`load_pair` loads all of them, for retrieval and zero-shot classification:

```
pair = load_pair("runs/pretrain-clip/model")
similarity = pair.embed_images(bytes) @ pair.embed_texts(["no finding", "pneumonia"]).T
```
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import Field, ValidationError
from torch import Tensor, nn
from torch.nn import functional

from medfm_cli.data.tokens import TOKENISER_FILE, Tokeniser
from medfm_cli.errors import DataError
from medfm_cli.models.config import AGAIN, verified_file
from medfm_cli.models.directory import load_model
from medfm_cli.models.inputs import normalise
from medfm_cli.models.text import HubTower, TextTower, build_text_tower
from medfm_cli.models.text_spec import TextSpec
from medfm_cli.models.weights import load_exactly, read_tensors
from medfm_cli.runs.hashes import file_sha256
from medfm_cli.runs.seal import Sealed, check_seal

if TYPE_CHECKING:
    from medfm_cli.models.backbones import Backbone
    from medfm_cli.models.config import ModelConfig

TEXT_CONFIG = "text.json"
TEXT_WEIGHTS = "text.safetensors"
_TEXTS_AT_ONCE = 256


class TextConfig(Sealed):
    """The contents of text.json."""

    schema_version: int = 1
    objective: str = Field(description="its objective: clip or siglip")
    image_dim: int = Field(description="width of the image encoder's features")
    dim: int = Field(description="width of the shared space")
    biased: bool = Field(description="whether logits have a bias (siglip)")
    tower: TextSpec
    weights_sha256: str = ""
    tokeniser_sha256: str = ""


class TextSide(nn.Module):
    """Text tower, projections [·,E] of images and texts, and the scale and bias of logits.

    `logit_scale` is the logarithm of the factor, [1]; `logit_bias`, [1], may be None.
    They have one axis because FSDP shards parameters along their first axis.
    """

    def __init__(
        self,
        tower: TextTower | HubTower,
        *,
        image_dim: int,
        dim: int,
        scale: float = 1.0,
        bias: float | None = None,
    ) -> None:
        super().__init__()
        self.tower = tower
        self.image_projection = _projection(image_dim, dim)
        self.text_projection = _projection(tower.dim, dim)
        self.logit_scale = nn.Parameter(torch.tensor([math.log(scale)]))
        self.logit_bias = None if bias is None else nn.Parameter(torch.tensor([float(bias)]))

    def images(self, features: Tensor) -> Tensor:
        """Project the encoder's features [B,D] to unit vectors [B,E], float32."""
        return functional.normalize(self.image_projection(features).float(), dim=1)

    def texts(self, tokens: Tensor) -> Tensor:
        """Encode tokens [B,L] to unit vectors [B,E], float32."""
        return functional.normalize(self.text_projection(self.tower(tokens)).float(), dim=1)

    def logits(self, images: Tensor, texts: Tensor) -> Tensor:
        """Turn vectors [B,E] and [N,E] into logits [B,N], in full precision."""
        with torch.autocast(images.device.type, enabled=False):
            logits = self.logit_scale.exp() * (images @ texts.T)
            return logits if self.logit_bias is None else logits + self.logit_bias


@dataclass(frozen=True)
class Pair:
    """An image encoder and the text side that was trained with it, in evaluation mode."""

    encoder: Backbone
    side: TextSide
    tokeniser: Tokeniser
    config: ModelConfig
    text_config: TextConfig

    @torch.inference_mode()
    def embed_images(self, values: Tensor) -> Tensor:
        """Unit vectors [B,E] of images from the loader, uint8 [B,C,S,S]."""
        return self.side.images(self.encoder(normalise(values, self.config.preprocessing)))

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors [N,E] of texts, truncated to the tower's length."""
        length = self.text_config.tower.length
        rows = [self.tokeniser.framed(self.tokeniser.ids(text), length) for text in texts]
        parts = torch.split(torch.from_numpy(np.stack(rows)), _TEXTS_AT_ONCE)
        return torch.cat([self.side.texts(tokens) for tokens in parts])


def text_files(side: TextSide, tokeniser: Tokeniser, *, objective: str) -> dict[str, bytes]:
    """The files of the text side in the model directory, by name."""
    from safetensors.torch import save

    tensors = {name: value.detach().cpu().contiguous() for name, value in side.state_dict().items()}
    weights, vocabulary = save(tensors), tokeniser.to_json().encode()
    config = TextConfig(
        objective=objective,
        image_dim=side.image_projection.in_features,
        dim=side.image_projection.out_features,
        biased=side.logit_bias is not None,
        tower=side.tower.spec,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        tokeniser_sha256=hashlib.sha256(vocabulary).hexdigest(),
    )
    text = config.to_file()
    return {TEXT_WEIGHTS: weights, TEXT_CONFIG: text.encode(), TOKENISER_FILE: vocabulary}


def load_pair(directory: Path | str) -> Pair:
    """Load an image encoder with its text side from a model directory, checking every hash.

    Raises:
        DataError: not a model directory, without a text side, damaged, or incomplete.
        EnvironmentProblem: the extra `text` is not installed.
    """
    directory = Path(directory)
    loaded = load_model(directory, kind="encoder")
    config = _read_text_config(directory)
    for name, expected in loaded.config.files.items():
        verified_file(directory, name, expected)
    for name, expected in (
        (TEXT_WEIGHTS, config.weights_sha256),
        (TOKENISER_FILE, config.tokeniser_sha256),
    ):
        _check_hash(directory / name, expected)
    tokeniser = Tokeniser.load(directory / TOKENISER_FILE)
    bias = 0.0 if config.biased else None
    tower = build_text_tower(config.tower)
    side = TextSide(tower, image_dim=config.image_dim, dim=config.dim, bias=bias)
    load_exactly(side, read_tensors(directory / TEXT_WEIGHTS), source=str(directory / TEXT_WEIGHTS))
    return Pair(loaded.backbone, side.eval(), tokeniser, loaded.config, config)


def _read_text_config(directory: Path) -> TextConfig:
    path = directory / TEXT_CONFIG
    try:
        text = path.read_bytes()
        config = TextConfig.model_validate_json(text)
    except FileNotFoundError:
        raise DataError(
            f"{directory} has no text side: it has no {TEXT_CONFIG}",
            hint="pretrain with objective.name=clip or siglip to have one",
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise DataError(f"{path} is not a valid text config: {where}: {first['msg']}") from None
    check_seal(text, path, hint=AGAIN)
    return config


def _check_hash(path: Path, expected: str) -> None:
    if not path.is_file():
        raise DataError(f"{path.parent} has no {path.name}")
    if file_sha256(path) != expected:
        raise DataError(
            f"{path} is not the file its {TEXT_CONFIG} describes: the sha256 differs", hint=AGAIN
        )


def _projection(inputs: int, outputs: int) -> nn.Linear:
    """A linear map without bias, initialised as in CLIP: N(0, 1 / inputs)."""
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=inputs**-0.5)
    return layer
