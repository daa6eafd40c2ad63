"""`config.json` of a model directory: everything except the weights. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self, overload

from pydantic import Field, ValidationError, model_validator

from medfm_cli.data.card import LabelSchema
from medfm_cli.data.inputs import AnyInput, Preprocessing
from medfm_cli.errors import DataError
from medfm_cli.models.card_facts import CardFacts
from medfm_cli.models.lineage import Lineage
from medfm_cli.models.spec import AnySpec, BackboneSpec, HeadSpec, PatchSpec
from medfm_cli.recipe import Part
from medfm_cli.runs.hashes import file_sha256
from medfm_cli.runs.seal import Sealed, check_seal

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "card.md"
AGAIN = "copy the model directory again, or run the training again"

_ENCODERS = {
    "volume": "a model of volumes",
    "signal": "a model of signals",
    "series": "a model of series",
    "audio": "a model of audio",
}


class OperatingPoint(Part):
    """The probability threshold of a class, and how it was selected."""

    label: str
    threshold: float = Field(ge=0, le=1)
    rule: str = Field("max-mcc", description="how the threshold was selected")
    value: float | None = Field(None, description="value of the rule on those images")
    n: int | None = Field(None, description="number of images it was selected on")


class ModelConfig(Sealed):
    """The contents of config.json. `save_model` fills the last four fields and the checksum.

    `lineage` is made by `medfm_cli.models.lineage.extend`, `card` from run records alone.
    """

    schema_version: Literal[1] = 1
    kind: Literal["encoder", "classifier"]
    backbone: AnySpec
    head: HeadSpec | None = None
    preprocessing: AnyInput
    label_schema: LabelSchema = LabelSchema()
    operating_points: list[OperatingPoint] = Field([], description="one per class, from val")
    lineage: Lineage = Lineage()
    card: CardFacts = CardFacts()
    medfm: str = ""
    parameters: int = 0
    weights_sha256: str = ""
    files: dict[str, str] = Field({}, description="sha256 of further files of the model")

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if (self.kind == "classifier") != (self.head is not None):
            raise ValueError("a classifier has a head and an encoder has none")
        classes = self.label_schema.classes
        if self.head is not None and self.head.classes != len(classes):
            raise ValueError(f"the head has {self.head.classes} outputs for {len(classes)} classes")
        spec, given = self.backbone, self.preprocessing
        if given.kind != spec.kind:
            raise ValueError(f"preprocessing gives {given.kind}s and backbone takes {spec.kind}s")
        sides = spec.shape if isinstance(spec, PatchSpec) else [spec.image_size] * 2
        if given.shape != (spec.channels, *sides):
            raise ValueError(
                f"preprocessing gives {list(given.shape)} and backbone takes "
                f"{[spec.channels, *sides]}"
            )
        return self


class ImageConfig(ModelConfig):
    """The config of a model of images, which most verbs require."""

    backbone: BackboneSpec
    preprocessing: Preprocessing


@overload
def read_config(directory: Path | str, *, takes: Literal["image"]) -> ImageConfig: ...
@overload
def read_config(directory: Path | str, *, takes: None = None) -> ModelConfig: ...
def read_config(directory: Path | str, *, takes: Literal["image"] | None = None) -> ModelConfig:
    """Read and check the config.json of a model directory.

    Args:
        directory: a model directory.
        takes: refuse models of any other input.

    Raises:
        DataError: there is none, it is not valid for this version or was changed, or the model has
            another kind of input.
    """
    path = Path(directory) / CONFIG_FILE
    try:
        text = path.read_bytes()
        config = ModelConfig.model_validate_json(text)
    except FileNotFoundError:
        raise DataError(
            f"{directory} is not a model directory: it has no {CONFIG_FILE}",
            hint="give the 'model' folder of a finished pretrain or finetune run",
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise DataError(f"{path} is not a valid model config: {where}: {first['msg']}") from None
    check_seal(text, path, hint=AGAIN)
    return config if takes is None else _of_images(config, directory)


def _of_images(config: ModelConfig, directory: Path | str) -> ImageConfig:
    """The config as an ImageConfig, or an error if the input is not images."""
    kind = config.backbone.kind
    if kind != "image":
        raise DataError(
            f"{directory} holds {_ENCODERS[kind]}; a model of images is required",
            hint="give a model that was pretrained on images: input.kind=image",
        )
    return ImageConfig.model_validate(dict(config))


def content_hash(directory: Path | str) -> str:
    """Hash of a model directory (hex sha256 of its config, which has the weights' hash).

    Raises:
        DataError: it is not a model directory.
    """
    read_config(directory)
    return file_sha256(Path(directory) / CONFIG_FILE)


def verified_file(directory: Path, name: str, expected: str) -> Path:
    """A file of a model directory, after checking its hash against the config.

    Raises:
        DataError: it is missing, or its hash is not the `expected` one.
    """
    path = directory / name
    if not path.is_file():
        raise DataError(f"{directory} has no {name}")
    if file_sha256(path) != expected:
        raise DataError(
            f"{path} is not the file its config.json describes: the sha256 differs", hint=AGAIN
        )
    return path
