"""The recipe of `medfm curate`. Imports neither numpy nor any reader."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from medfm_cli.commands.curate.options.contamination import Contamination
from medfm_cli.commands.curate.options.deduplicate import Deduplicate
from medfm_cli.commands.curate.options.deidentify import Deidentify
from medfm_cli.commands.curate.options.derive import Derive
from medfm_cli.commands.curate.options.describe import Describe
from medfm_cli.commands.curate.options.quality import Quality
from medfm_cli.commands.curate.options.source import SourceKeys
from medfm_cli.commands.curate.options.split import Split
from medfm_cli.recipe import Auto, Part, Recipe


class Tiles(Part):
    """How large images are cut."""

    size: int | Auto | None = Field(
        "auto",
        description="Edge of the tiles in pixels; null keeps images whole; auto: 512 where no "
        "label speaks of the whole image, else null.",
    )
    limit: int = Field(9, ge=1, description="Most tiles of one image, spread evenly over it.")
    cover: bool | Auto = Field(
        "auto",
        description="Tiles show the whole image: one that needs more than `limit` is made smaller "
        "before; auto: where labels speak of the whole image.",
    )
    max_side: int = Field(
        1024, ge=32, description="Longer side of what is kept whole; larger is made smaller."
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if isinstance(self.size, int) and self.size < 16:
            raise ValueError("a tile of less than 16 pixels shows nothing")
        return self


class SourceBlock(SourceKeys):
    """One source of a mixture."""


class CurateRecipe(Recipe, SourceKeys):
    """Turn raw files into a dataset."""

    execution_only_keys: ClassVar[frozenset[str]] = frozenset(
        {"description", "workers", "engine", "address"}
    )

    sources: dict[str, SourceBlock] = Field(
        default_factory=dict,
        description="A mixture: name → the keys of one source; what a block does not say is taken "
        "from the keys above.",
    )
    quality: Quality = Quality()
    tile: Tiles = Tiles()
    split: Split = Split()
    deidentify: Deidentify = Deidentify()
    deduplicate: Deduplicate = Deduplicate()
    contamination: Contamination = Contamination()
    derive: Derive = Derive()
    describe: Describe = Describe()
    workers: Annotated[int, Field(ge=1)] | Auto = Field(
        "auto", description="Processes that read files."
    )
    withdraw: str | None = Field(
        None,
        description="A text file, one patient's identifier or pseudonym a line: these subjects are "
        "left out of everything.",
    )
    engine: Literal["local", "dask"] = Field(
        "local", description="Where files are read: on this machine, or on a Dask cluster."
    )
    address: str | None = Field(
        None,
        pattern=r"^(tcp|tls|ws|wss|ucx)://.+:\d+$",
        description="The Dask scheduler, tcp://HOST:PORT; without it engine: dask makes a cluster "
        "of this machine alone.",
    )
    shard_bytes: int = Field(256 << 20, ge=4096, description="Size of a shard, about.")

    @model_validator(mode="after")
    def _some_source(self) -> Self:
        if bool(self.sources) == (self.source is not None):
            raise ValueError("give one source, or a mixture of sources, and not both")
        if nameless := [name for name, block in self.sources.items() if block.source is None]:
            raise ValueError(f"sources.{nameless[0]} names no source")
        return self

    @model_validator(mode="after")
    def _cluster(self) -> Self:
        if self.address is not None and self.engine != "dask":
            raise ValueError("address names a Dask scheduler: say engine: dask as well")
        return self

    def blocks(self) -> dict[str, SourceKeys]:
        """The sources by name; the only one of a recipe without a mixture has an empty name."""
        if not self.sources:
            return {"": self}
        shared = {name: getattr(self, name) for name in SourceKeys.model_fields}
        return {
            name: block.model_copy(
                update={k: v for k, v in shared.items() if k not in block.model_fields_set}
            )
            for name, block in self.sources.items()
        }
