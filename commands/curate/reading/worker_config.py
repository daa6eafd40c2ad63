"""What the workers are given: for every source its readers, how it is cut, what may stand in it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from medfm_cli.commands.curate.annotations.refs import BOXES
from medfm_cli.commands.curate.annotations.step import Counts
from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.deidentify.text.clean import engine
from medfm_cli.commands.curate.metadata.file_metadata import Resolve, SourceMetadata
from medfm_cli.commands.curate.options.source import SourceKeys
from medfm_cli.commands.curate.reading.worker import SourceConfig, WorkerConfig
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.sources.listing import files
from medfm_cli.data.card import Cutting
from medfm_cli.readers import ReadOptions, Unreadable, candidate_readers, sniff
from medfm_cli.samples.attributes import table_attributes
from medfm_cli.version import __version__

AUTO_TILE = 512
RECORDS = frozenset({"interleaved", "parquet", "questions", "reports"})
"""Readers of tables and texts, which often lie beside what they describe."""
PROBES = 500
"""Files that are looked at to tell a source of records from one of scans."""


@dataclass(frozen=True)
class PlannedSource:
    """A source block, ready to be read: its keys, and what tables, folders and other files say."""

    keys: SourceKeys
    metadata: SourceMetadata
    resolve: Resolve
    annotations: Counts

    @property
    def label_kind(self) -> str:
        """`boxes` or `masks` where the classes that occur in them are the labels, else empty."""
        kind = self.keys.label_spec().kind
        if kind != "auto":
            return kind
        automatic = self.keys.labels == "auto" and self.metadata.origin == "own"
        return "boxes" if automatic and set(BOXES) & set(self.annotations.files) else ""


def worker_config(
    recipe: CurateRecipe,
    folder: Path,
    catalog: Catalog,
    blocks: Sequence[PlannedSource],
    names: Pseudonyms,
) -> WorkerConfig:
    settled = tuple(_block(recipe, catalog, block) for block in blocks)
    texts = engine(recipe.deidentify)  # `auto` depends on what is installed
    what = (__version__, settled, recipe.quality, recipe.deidentify, texts, names.fingerprint)
    mark = hashlib.sha256(repr(what).encode()).hexdigest()[:16]
    return WorkerConfig(str(folder), mark, settled, recipe.quality, recipe.deidentify, names)


def _block(recipe: CurateRecipe, catalog: Catalog, block: PlannedSource) -> SourceConfig:
    keys = block.keys
    readers = _readers(catalog, block)
    tile = _tile(recipe, block)
    cutting = Cutting(
        whole=keys.whole,
        clip=keys.clip,
        frames=keys.frames,
        slices=keys.slices,
        tile=tile,
        tile_limit=recipe.tile.limit,
        tiling="cover" if tile is None or _tiles_cover(recipe, block) else "sample",
        max_side=recipe.tile.max_side,
        **recipe.derive.cutting(),
    )
    options = ReadOptions(
        frames=keys.frames,
        slices=keys.slices,
        max_pixels=recipe.quality.max_megapixels * 1_000_000,
        whole=keys.whole,
        clip=keys.clip,
        format=_format(block),
    )
    return SourceConfig(readers, options, cutting, block.label_kind)


def _readers(catalog: Catalog, block: PlannedSource) -> tuple[str, ...]:
    """The readers that may read a source; none for all that are used by default.

    A table or a text beside scans describes them. It is a sample of its own only where there is
    nothing else.
    """
    keys = block.keys
    if keys.readers != "auto":
        return tuple(keys.readers)
    seen: Counter[str] = Counter()
    probed = 0
    for _, file in islice(files(catalog, block.metadata.block, role=""), PROBES):
        probed += 1
        with suppress(Unreadable, OSError):
            seen[sniff(Path(file.path), (), keys.format).name] += 1
    beside = bool(set(seen) - RECORDS)
    if beside:
        seen = Counter({name: count for name, count in seen.items() if name not in RECORDS})
    counts = ", ".join(f"{count} {name}" for name, count in seen.most_common())
    why = f"by the content of the first {probed} files: {counts or 'none is known'}"
    block.resolve("readers", sorted(seen), why)
    return (
        tuple(name for name in candidate_readers((), keys.format) if name not in RECORDS)
        if beside
        else ()
    )


def _format(block: PlannedSource) -> dict[str, Any]:
    """The `format` of readers: without a table, columns that are named are those of the records."""
    keys = block.keys
    if block.metadata.table is not None:
        return keys.format
    words = (
        *("subject", "study", "site", "time", "age", "sex", "text"),
        *(item.name for item in table_attributes() if item.name in type(keys).model_fields),
    )
    columns = {word: getattr(keys, word) for word in words} | {"label": keys.label_spec().column}
    named = {
        word: name for word, name in columns.items() if name not in ("auto", "none", "folders")
    }
    return named | keys.format


def _tile(recipe: CurateRecipe, block: PlannedSource) -> int | None:
    """The edge of tiles: a label that was given to a whole image need not hold for its parts."""
    size = recipe.tile.size
    if size != "auto":
        return size
    if what := _about_whole_images(block):
        block.resolve("tile.size", None, f"{what} speak of whole images, so these are not cut")
        return None
    block.resolve("tile.size", AUTO_TILE, "no label speaks of a whole image")
    return AUTO_TILE


def _tiles_cover(recipe: CurateRecipe, block: PlannedSource) -> bool:
    """Whether tiles show all of an image: part of it may show nothing of what its label means."""
    if recipe.tile.cover != "auto":
        return recipe.tile.cover
    what = _about_whole_images(block)
    why = f"{what} speak of whole images" if what else "no label speaks of a whole image"
    block.resolve("tile.cover", bool(what), why)
    return bool(what)


def _about_whole_images(block: PlannedSource) -> str:
    """What speaks of whole images, if anything does."""
    if block.metadata.labelled:
        return "labels"
    return "annotations" if block.annotations.files else ""
