"""The recipe of `medfm curate`. Imports neither numpy nor any reader."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
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
from medfm_cli.commands.curate.sources import File, LeftOut, walk
from medfm_cli.errors import DataError
from medfm_cli.extras import installed, missing
from medfm_cli.recipe import Auto, Part, Plan, Recipe

GROWTH = {"jpg": 8.0, "jpeg": 8.0, "gz": 4.0, "npz": 3.0, "dcm": 1.5}
"""How much larger pixels are as PNG than in a file of this ending, roughly."""


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


class SourceBlock(SourceKeys):
    """One source of a mixture."""


class CurateRecipe(Recipe, SourceKeys):
    """Turn raw files into a dataset."""

    circumstances: ClassVar[frozenset[str]] = frozenset(
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

    def inputs(self) -> dict[str, str]:
        """Each source by names, sizes and times of its files; the label tables by content."""
        found: dict[str, str] = {}
        for name, block in self.blocks().items():
            source = block.open_source()
            prefix = f"sources.{name}." if name else ""
            found[f"{prefix}source"] = source.fingerprint()
            table = block.label_file(source.survey().files if block.packed else ())
            if table is not None and table.is_file():
                key = "labels" if isinstance(block.labels, str) else "labels.file"
                found[prefix + key] = hashlib.sha256(table.read_bytes()).hexdigest()
        if self.withdraw is not None:
            found["withdraw"] = _content(self.withdraw)
        return found | self.contamination.inputs() | self.deduplicate.inputs()

    def plan(self) -> Plan:
        """Count files and bytes; estimates the disk need.

        Raises:
            EnvironmentProblem: an extra is missing; said before an older run is put away.
        """
        for wanted, module, extra in (
            (self.engine == "dask", "distributed", "dask"),
            (self.deidentify.text == "presidio", "presidio_analyzer", "deid"),
        ):
            if wanted and not installed(module):
                raise missing(module, extra=extra)
        lines: list[str] = []
        pixels = 0
        for block in self.blocks().values():
            told, size = _plan(block)
            lines += told
            pixels += size
        lines.append(f"write at most about {2 * pixels / 1e6:.0f} MB, half of it for a while only")
        return Plan(lines, disk_bytes=2 * pixels)


def _content(name: str) -> str:
    """The sha256 (hex) of the withdrawal file.

    Raises:
        DataError: it is not there.
    """
    path = Path(name).expanduser()
    if not path.is_file():
        raise DataError(
            f"the withdrawal file '{name}' does not exist",
            hint="withdraw takes a text file, one patient's identifier or pseudonym a line",
        )
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _plan(block: SourceKeys) -> tuple[list[str], int]:
    """What would be read of one source, in words, and its pixels in bytes."""
    kinds: Counter[str] = Counter()
    total = pixels = left_out = 0
    inside: list[File] = []
    for found in walk(block.open_source(), None):
        if isinstance(found, LeftOut):
            left_out += 1
            continue
        kind = _ending(found.name)
        kinds[kind] += 1
        total += found.size
        pixels += int(found.size * GROWTH.get(kind, 1.2))
        if block.packed:
            inside.append(found)
    common = ", ".join(f"{count} {kind or 'without ending'}" for kind, count in _most(kinds))
    lines = [
        f"read {kinds.total()} files ({total / 1e6:.1f} MB: {common}) of {block.source}",
        f"leave out {left_out} (hidden, links)" if left_out else "",
        f"labels: {block.label_file(inside) or block.label_word}",
        "" if total else "fetch the file first: it is in no cache",
    ]
    return [line for line in lines if line], pixels


def _ending(name: str) -> str:
    _, dot, ending = name.rpartition("/")[2].rpartition(".")
    return ending.lower() if dot and len(ending) <= 5 and not ending.isdigit() else ""


def _most(kinds: Counter[str]) -> list[tuple[str, int]]:
    common = kinds.most_common(5)
    rest = sum(kinds.values()) - sum(count for _, count in common)
    return [*common, ("others", rest)] if rest else common
