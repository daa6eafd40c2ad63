"""The recipe of `medfm curate`. Imports neither numpy nor any reader."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from medfm_cli.commands.curate.options.quality import Quality
from medfm_cli.commands.curate.sources import Listing, Source, find_source
from medfm_cli.errors import DataError
from medfm_cli.recipe import Auto, Part, Plan, Recipe
from medfm_cli.recipe.problems import did_you_mean

WORDS = ("auto", "none", "folders", "modality")
"""Short forms of `labels`; any other text is a file."""
GROWTH = {"jpg": 8.0, "jpeg": 8.0, "gz": 4.0, "npz": 3.0, "dcm": 1.5}
"""How much larger pixels are as PNG than in a file of this ending, roughly."""


class Labels(Part):
    """Where the labels come from; at most one of `file`, `field` and `folders`."""

    file: str | None = Field(
        None, description="A table; looked for in the source's folder, then where you are."
    )
    field: str | None = Field(
        None, description="A fact of the image itself: modality, anatomy, manufacturer, …"
    )
    folders: bool = Field(False, description="The folder an image lies in is its class.")
    column: str = Field("auto", description="Column of the table that holds the label.")
    files: str = Field("auto", description="Column of the table that names the files.")
    classes: dict[str | int, str] = Field(
        default_factory=dict,
        description="Value → class; what is not listed stays unlabelled. Empty: values as they are",
    )
    drop: list[str | int] = Field(
        default_factory=list, description="Values whose images are left out altogether."
    )

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.file is not None) + (self.field is not None) + self.folders > 1:
            raise ValueError("labels come from one of file, field and folders, not from two")
        return self


class Tiles(Part):
    """How large images are cut."""

    size: int | Auto | None = Field(
        "auto",
        description="Edge of the tiles in pixels; null keeps images whole; auto: 512 where no "
        "label speaks of the whole image, else null.",
    )
    limit: int = Field(9, ge=1, description="Most tiles of one image, spread evenly over it.")
    max_side: int = Field(
        1024, ge=32, description="Longer side of what is kept whole; larger is made smaller."
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if isinstance(self.size, int) and self.size < 16:
            raise ValueError("a tile of less than 16 pixels shows nothing")
        return self


class Split(Part):
    """How subjects are dealt to train, val and test."""

    train: float = Field(0.7, gt=0, le=1, description="Share of the images.")
    val: float = Field(0.15, ge=0, lt=1, description="Share of the images.")
    test: float = Field(0.15, ge=0, lt=1, description="Share of the images.")
    by: Literal["subject"] = Field("subject", description="What is never torn apart.")
    official: str = Field(
        "auto",
        description="The source's own split: auto (taken if it keeps subjects together), keep "
        "(taken anyway), none, or the column that holds it.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ValueError("train, val and test must add up to 1")
        return self


class Deidentify(Part):
    """How the manifest hides whose images they are. Pixels are not looked at."""

    secret: Literal["auto", "private", "public"] = Field(
        "auto",
        description="Key of the pseudonyms: private is this machine's own, public is known to "
        "all; auto: public for sources that are public anyway, else private.",
    )
    source_paths: Literal["auto", "hash", "keep"] = Field(
        "auto", description="File names in the manifest; auto: kept for public sources only."
    )


class CurateRecipe(Recipe):
    """Turn raw files into a dataset."""

    source: str = Field(
        description="A folder, a file (.npz, archive, table of paths), packages:pydicom or "
        "medmnist:NAME."
    )
    labels: Labels | str = Field(
        "auto",
        description="auto, none, folders, modality, a table, or a block that says more.",
    )
    subject: str = Field(
        "auto", description="Whose image it is: auto, none, folders, or a column of the table."
    )
    site: str = Field("auto", description="auto, none, or a column of the table.")
    modality: str = Field(
        "auto", description="auto, a column of the table, or one name for all images."
    )
    anatomy: str = Field(
        "auto", description="auto, a column of the table, or one name for all images."
    )
    follow_links: bool = Field(False, description="Read what symbolic links lead to.")
    frames: int = Field(4, ge=1, description="Most frames of a multi-frame file, evenly spaced.")
    slices: int = Field(8, ge=1, description="Most axial slices of a volume.")
    quality: Quality = Quality()
    tile: Tiles = Tiles()
    split: Split = Split()
    deidentify: Deidentify = Deidentify()
    workers: Annotated[int, Field(ge=1)] | Auto = Field(
        "auto", description="Processes that read files."
    )
    shard_bytes: int = Field(256 << 20, ge=4096, description="Size of a shard, about.")
    licences: list[str] = Field(default_factory=list, description="Goes into the card.")
    consent: str = Field("", description="Goes into the card.")

    def inputs(self) -> dict[str, str]:
        """The source by names, sizes and times of its files; the label table by its content."""
        source = self.open_source()
        found = {"source": source.fingerprint()}
        table = self.label_file(source.survey() if self._packed() else None)
        if table is not None and table.is_file():
            key = "labels" if isinstance(self.labels, str) else "labels.file"
            found[key] = hashlib.sha256(table.read_bytes()).hexdigest()
        return found

    def plan(self) -> Plan:
        """Count files and bytes; estimates the disk need."""
        source = self.open_source()
        listing = source.survey()
        kinds = Counter(_ending(file.name) for file in listing.files)
        total = sum(file.size for file in listing.files)
        pixels = sum(int(file.size * GROWTH.get(_ending(file.name), 1.2)) for file in listing.files)
        common = ", ".join(f"{count} {kind or 'without ending'}" for kind, count in _most(kinds))
        table = self.label_file(listing)
        lines = [
            f"read {len(listing.files)} files ({total / 1e6:.1f} MB: {common}) of {self.source}",
            f"leave out {len(listing.left_out)} (hidden, links)" if listing.left_out else "",
            f"labels: {table or self._label_word()}",
            "" if total else "fetch the file first: it is in no cache",
            f"write at most about {2 * pixels / 1e6:.0f} MB, half of it for a while only",
        ]
        return Plan([line for line in lines if line], disk_bytes=2 * pixels)

    def open_source(self) -> Source:
        """The source that is named.

        Raises:
            DataError: there is none.
        """
        files = self.label_spec().files
        return find_source(self.source, follow_links=self.follow_links, files_column=files)

    def label_spec(self) -> Labels:
        """The labels as a block, whatever the short form."""
        if isinstance(self.labels, Labels):
            return self.labels
        if self.labels in ("auto", "none"):
            return Labels()
        if self.labels == "folders":
            return Labels(folders=True)
        return Labels(field="modality") if self.labels == "modality" else Labels(file=self.labels)

    def label_file(self, listing: Listing | None = None) -> Path | None:
        """The label table that the recipe names: in the source, beside it, or here.

        A table in an archive that is not yet unpacked has an empty path.

        Raises:
            DataError: there is no such table.
        """
        name = self.label_spec().file
        if name is None:
            return None
        for file in listing.files if listing else ():
            if file.name == name:
                return Path(file.path)
        base = Path(self.source).expanduser()
        inside = (base if base.is_dir() else base.parent) / name
        places = [inside, Path(name).expanduser()]
        for place in places:
            if place.is_file():
                return place
        raise _no_table(name, places)

    def _packed(self) -> bool:
        """Whether the source is one file, in which the label table may lie."""
        return self.label_spec().file is not None and Path(self.source).expanduser().is_file()

    def _label_word(self) -> str:
        spec = self.label_spec()
        if spec.field:
            return f"the images' own {spec.field}"
        if spec.folders:
            return "the folders"
        return str(self.labels) if isinstance(self.labels, str) else "auto"


def _no_table(name: str, places: list[Path]) -> DataError:
    folder = places[0].parent
    nearby = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    fix = did_you_mean(name, [*WORDS, *nearby])
    return DataError(
        f"the label table '{name}' is neither in '{folder}' nor here",
        hint=fix or f"labels takes a table, or one of {', '.join(WORDS)}",
    )


def _ending(name: str) -> str:
    _, dot, ending = name.rpartition("/")[2].rpartition(".")
    return ending.lower() if dot and len(ending) <= 5 and not ending.isdigit() else ""


def _most(kinds: Counter[str]) -> list[tuple[str, int]]:
    common = kinds.most_common(5)
    rest = sum(kinds.values()) - sum(count for _, count in common)
    return [*common, ("others", rest)] if rest else common
