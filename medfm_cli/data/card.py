"""The dataset's card, `dataset.json`: what is in it, where it came from, how to check it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, model_validator

from medfm_cli.errors import DataError
from medfm_cli.recipe import Part
from medfm_cli.runs.hashes import file_sha256
from medfm_cli.runs.seal import Sealed, check_seal

FORMAT = 3
"""The version of the dataset's layout on disk; a reader refuses any other."""
CARD_FILE = "dataset.json"
DAMAGED_HINT = "copy the dataset folder again in full, or curate again"


class LabelSchema(Part):
    """What a label is: nothing, one of the classes, or any of them."""

    kind: Literal["none", "single", "multi"] = "none"
    classes: list[str] = Field(default_factory=list)


class SplitCounts(Part):
    """How many samples, images and subjects one split holds."""

    samples: int
    images: int
    subjects: int


class Counts(Part):
    """How many there are of everything; the dictionaries count samples."""

    samples: int
    images: int
    subjects: int
    splits: dict[str, SplitCounts] = Field(default_factory=dict)
    labels: dict[str, int] = Field(default_factory=dict)
    kinds: dict[str, int] = Field(default_factory=dict)
    modalities: dict[str, int] = Field(default_factory=dict)
    sites: dict[str, int] = Field(default_factory=dict)
    origins: dict[str, int] = Field(default_factory=dict)
    clients: dict[str, int] = Field(default_factory=dict)


class ShardInfo(Part):
    """One file under `shards/`, with what is needed to check it."""

    name: str
    bytes: int
    sha256: str
    samples: int


class DatasetLineage(Part):
    """What the dataset was made from.

    `source_digest` is the sha256 over the sorted sha256s of all files read, one a line; files that
    were read together count as one, by the sha256 over theirs.
    """

    source_count: int = 0
    source_digest: str = ""
    recipe: str = Field(default="", description="hash of the recipe that curated it")


class Unify(Part):
    """One shape for images and volumes, as in RadFM: `size` × `size` × the nearest of `depths`.

    Stored is a volume `[D, size, size]` or `[D, size, size, 3]` of uint8; an image is
    repeated along the smallest depth. `to_channels_first` (`data.common_shape`) makes it
    `(C, H, W, D)`.
    """

    size: int = Field(256, ge=8, description="height and width in pixels")
    depths: list[int] = Field(
        default_factory=lambda: list(range(4, 65, 4)), description="depths in use, ascending"
    )

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if not self.depths or self.depths[0] < 1 or sorted(set(self.depths)) != self.depths:
            raise ValueError("depths are whole numbers from 1, each larger than the one before")
        return self


Tiling = Literal["cover", "sample", "grid"]


class Cutting(Part):
    """What is used of a file, and how large images are cut: in curate, and alike in predict.

    It travels from the dataset's card into the models that learn from it and into their bundles.
    A card of medfm 0.1 that speaks of tiles says nothing of `tiling`: its tiles are a `grid`.
    """

    whole: bool = Field(False, description="whether scans are read as volumes, clips as videos")
    clip: int = Field(32, ge=1, description="most frames of a video that is read as one")
    frames: int = Field(4, ge=1, description="most frames of a multi-frame file")
    slices: int = Field(8, ge=1, description="most slices of a volume")
    tile: int | None = Field(None, ge=8, description="edge of the tiles in pixels; null: untiled")
    tile_limit: int = Field(16, ge=1, description="most tiles taken from one image")
    tiling: Tiling = Field(
        "cover",
        description="cover: tiles overlap and show the whole image, which is made smaller if it "
        "needs more than the most; sample: only so many of these tiles are taken, at full size; "
        "grid: without overlap, margins are lost (medfm 0.1)",
    )
    max_side: int | None = Field(
        None, ge=8, description="longer side of a part in pixels; larger is made smaller"
    )
    planes: list[Literal["axial", "coronal", "sagittal"]] = Field(
        default_factory=list, description="planes that volumes are cut into; none: they stay whole"
    )
    stills: bool = Field(False, description="whether videos are cut into frames")
    window_seconds: float | None = Field(
        None, gt=0, description="length of the windows of a signal; null: signals stay whole"
    )
    windows: int = Field(8, ge=1, description="most windows taken from one signal")
    unify: Unify | None = Field(None, description="one shape for images and volumes")

    @model_validator(mode="before")
    @classmethod
    def _of_an_older_card(cls, values: object, info: ValidationInfo) -> object:
        if info.mode == "json" and isinstance(values, dict) and values.get("tile") is not None:
            return {"tiling": "grid", **values}
        return values


class DatasetCard(Sealed):
    """`dataset.json`. It holds no time, so that curating the same input again gives the same bytes.

    `version` names the content: the label schema and all rows of the manifest except where the
    payloads lie. `manifest_sha256`, the digests in `files` and those of the shards name the bytes
    in this folder.
    """

    format: int = FORMAT
    name: str
    version: str
    label_schema: LabelSchema
    counts: Counts
    cutting: Cutting = Cutting()
    bits: int = 8
    licences: list[str] = Field(default_factory=list)
    consent: str = ""
    medfm: str
    lineage: DatasetLineage = DatasetLineage()
    manifest_sha256: str
    files: dict[str, str] = Field(
        default_factory=dict, description="sha256 of the quarantine and the fingerprints"
    )
    shards: list[ShardInfo]


def read_card(root: Path) -> DatasetCard:
    """Read the card of the dataset folder `root`.

    Raises:
        DataError: there is none, it is damaged or was changed, or another version of medfm wrote
            it.
    """
    path = root / CARD_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(
            f"{root} is not a dataset: it has no {CARD_FILE}",
            hint="give the folder that `medfm curate` wrote, or its run directory",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from None
    try:
        card = DatasetCard.model_validate_json(text)
    except ValidationError as error:
        raise _damaged(path, text, error) from None
    if card.format != FORMAT:
        raise _other_format(path, card.format)
    check_seal(text, path, hint=DAMAGED_HINT)
    return card


def check_file(path: Path, expected: str) -> None:
    """See that a file of a dataset has the sha256 that its card says.

    Raises:
        DataError: it is missing, damaged or was changed.
    """
    if not path.is_file():
        raise DataError(f"the dataset lacks {path}", hint=DAMAGED_HINT)
    if file_sha256(path) != expected:
        raise DataError(
            f"{path} is damaged: its sha256 is not the one in the card", hint=DAMAGED_HINT
        )


def _other_format(path: Path, version: object) -> DataError:
    return DataError(
        f"{path} has the dataset format {version!r}; this medfm reads format {FORMAT}",
        hint="curate the source again with this version of medfm",
    )


def _damaged(path: Path, text: str, error: ValidationError) -> DataError:
    """Distinguish a card of another format from a broken one."""
    from pydantic_core import from_json

    try:
        version = from_json(text).get("format", FORMAT)
    except (ValueError, AttributeError):
        version = FORMAT
    if version != FORMAT:
        return _other_format(path, version)
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return DataError(
        f"{path} is damaged: {where + ': ' if where else ''}{first['msg']}",
        hint=DAMAGED_HINT,
    )
