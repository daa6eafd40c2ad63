"""The bundle: a folder with a model and everything needed to run and evaluate it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from medfm_cli.data.card import LabelSchema
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.errors import DataError
from medfm_cli.models.config import OperatingPoint
from medfm_cli.runs.hashes import file_sha256
from medfm_cli.runs.seal import Sealed, check_seal

BUNDLE_FILE = "bundle.json"
MODEL_FILE = "model.onnx"
CARD_FILE = "card.md"
LINEAGE_FILE = "lineage.json"
SOURCES_FILE = "sources.txt"
AGAIN = "copy the bundle again in full, or export it again"


class BundleCard(Sealed):
    """`bundle.json`: the model's input, the meaning of its outputs, and the hashes of the files.

    The graph takes uint8 images [N,C,S,S] and returns float32 `features` [N,D] and, for a
    classifier, `logits` and `probabilities` [N,K]. `preprocessing` configures tiling and resizing
    of images; normalisation is inside the graph. A file's probabilities are the mean over the
    tiles of a frame, then the mean over the frames.
    """

    schema_version: Literal[1] = 1
    kind: Literal["encoder", "classifier"]
    architecture: str
    parameters: int
    preprocessing: Preprocessing
    label_schema: LabelSchema
    operating_points: list[OperatingPoint] = Field([], description="one per class, from val")
    aggregation: Literal["mean-probability"] = "mean-probability"
    opset: int
    weights_sha256: str = Field(description="of the model.safetensors it was exported from")
    files: dict[str, str] = Field(description="sha256 of every other file of the bundle")
    medfm: str

    def threshold(self, label: str) -> float | None:
        """The operating point of a class, if it has one."""
        points = {point.label: point.threshold for point in self.operating_points}
        return points.get(label)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle after checking all its files."""

    root: Path
    card: BundleCard

    @property
    def model(self) -> Path:
        """The ONNX file."""
        return self.root / MODEL_FILE


def open_bundle(root: Path | str) -> Bundle:
    """Open a bundle and check every file against its hash.

    Raises:
        DataError: it is not a bundle, a file is missing, or a file has changed.
    """
    root = Path(root)
    card = _read_card(root)
    if MODEL_FILE not in card.files:
        raise DataError(f"{root / BUNDLE_FILE} does not list {MODEL_FILE}")
    for name, expected in sorted(card.files.items()):
        _check_file(root, name, expected)
    return Bundle(root, card)


def _read_card(root: Path) -> BundleCard:
    path = root / BUNDLE_FILE
    try:
        text = path.read_bytes()
        card = BundleCard.model_validate_json(text)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"{root} is not a bundle: it has no {BUNDLE_FILE}",
            hint="give the 'bundle' folder of a finished export run",
        ) from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise DataError(f"{path} is damaged: {where}: {first['msg']}") from None
    check_seal(text, path, hint=AGAIN)
    return card


def _check_file(root: Path, name: str, expected: str) -> None:
    if Path(name).name != name:
        raise DataError(f"{root / BUNDLE_FILE} lists a file outside the bundle: {name}")
    try:
        sha256 = file_sha256(root / name)
    except OSError as error:
        raise DataError(f"the bundle lacks {name}: {error.strerror}", hint=AGAIN) from None
    if sha256 != expected:
        raise DataError(
            f"{root / name} has changed since the export: its sha256 differs from the one in "
            f"{BUNDLE_FILE}",
            hint=AGAIN,
        )
