"""The reading of all sources: units dealt to processes, what is finished kept for the next try."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from medfm_cli.commands.curate.annotations.refs import BOXES
from medfm_cli.commands.curate.annotations.step import Counts
from medfm_cli.commands.curate.catalog import Ledger
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.deidentify.text.clean import engine
from medfm_cli.commands.curate.metadata.file_metadata import Resolve, SourceMetadata
from medfm_cli.commands.curate.options.source import SourceKeys
from medfm_cli.commands.curate.reading.engines import make_engine
from medfm_cli.commands.curate.reading.previous_run import Earlier
from medfm_cli.commands.curate.reading.reuse import adopt_units, know_entries
from medfm_cli.commands.curate.reading.staging import Spool, Unit
from medfm_cli.commands.curate.reading.units import make_entries, units
from medfm_cli.commands.curate.reading.worker import BlockSettings, Settings
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.sources.listing import files
from medfm_cli.data.card import Cutting
from medfm_cli.readers import ReadOptions, Unreadable, candidate_readers, sniff
from medfm_cli.runs import Run
from medfm_cli.runs.machine import usable_cpus
from medfm_cli.samples.attributes import table_attributes
from medfm_cli.version import __version__

UNITS = ("checkpoints", "units")
AUTO_TILE = 512
MOST_WORKERS = 32
LEFTOVERS = ("*.tmp", "*.now", "*.lease")
"""What a try that was killed may leave; tasks of a cluster end when their lease is gone."""
RECORDS = frozenset({"interleaved", "parquet", "questions", "reports"})
"""Readers of tables and texts, which often lie beside what they describe."""
PROBES = 500
"""Files that are looked at to tell a source of records from one of scans."""


@dataclass(frozen=True)
class Planned:
    """A source block, ready to be read: its keys, and what tables, folders and other files say."""

    keys: SourceKeys
    notes: SourceMetadata
    resolve: Resolve
    annotations: Counts

    @property
    def label_kind(self) -> str:
        """`boxes` or `masks` where the classes that occur in them are the labels, else empty."""
        asked = self.keys.label_spec().kind
        if asked != "auto":
            return asked
        unasked = self.keys.labels == "auto" and self.notes.origin == "own"
        return "boxes" if unasked and set(BOXES) & set(self.annotations.files) else ""


@dataclass(frozen=True)
class Extent:
    """How much there is to read: units in all, entries that are still to be read and in all."""

    units: int
    todo: int
    entries: int


@dataclass
class Reading:
    """What was read: it lies in the spool, unit by unit."""

    spool: Spool
    units: int
    cuttings: list[Cutting]


def read_all(
    recipe: CurateRecipe, run: Run, ledger: Ledger, blocks: Sequence[Planned], names: Pseudonyms
) -> Reading:
    """Read every file of the sources that was not read by an earlier try of this run.

    Raises:
        Stopped: a signal came; finished units stay.
        OSError: the disk refuses.
    """
    folder = run.path(*UNITS)
    folder.mkdir(exist_ok=True, mode=0o700)
    settings = _settings(recipe, folder, ledger, blocks, names)
    for number, block in enumerate(settings.blocks):
        make_entries(ledger, number, block)
    spool = Spool(folder, settings.mark)
    packed = (run.dir / "dataset" / "dataset.json").is_file()
    _remove_leftovers(folder)  # of a try that was killed
    with _earlier(run, settings.mark) as earlier:
        known = know_entries(ledger, list(recipe.blocks()), names, earlier)
        count, todo = _count(ledger, spool, packed=packed)
        if todo and known and earlier is not None:
            adopt_units(run, ledger, spool, names, earlier, count=known)
            count, todo = _count(ledger, spool, packed=False)
        elif packed and todo:  # what was packed was made from other rows: read all again
            count, todo = _count(ledger, spool, packed=False)
    packed = packed and not todo
    try:
        waiting = (unit for unit in units(ledger) if not spool.is_done(unit, packed=packed))
        _read_units(recipe, run, waiting, settings, Extent(count, todo, _entries(ledger) - known))
    finally:
        _remove_leftovers(folder)
    return Reading(spool, count, [block.cutting for block in settings.blocks])


@contextmanager
def _earlier(run: Run, mark: str) -> Iterator[Earlier | None]:
    """The run of which unchanged files are taken, while it is open."""
    found = Earlier.find(run, mark)
    with found or nullcontext():
        yield found


def _count(ledger: Ledger, spool: Spool, *, packed: bool) -> tuple[int, int]:
    """How many units there are, and how many entries are in those that are still to be read."""
    count = todo = 0
    for unit in units(ledger):
        count += 1
        todo += 0 if spool.is_done(unit, packed=packed) else len(unit.entries)
    return count, todo


def _entries(ledger: Ledger) -> int:
    return int(ledger.one("SELECT count(*) FROM entries"))


def _remove_leftovers(folder: Path) -> None:
    for leftover in (path for kind in LEFTOVERS for path in folder.glob(kind)):
        leftover.unlink(missing_ok=True)


def _read_units(
    recipe: CurateRecipe, run: Run, waiting: Iterator[Unit], settings: Settings, extent: Extent
) -> None:
    """Read the units that no earlier try has read."""
    todo, of = extent.todo, extent.entries
    if todo < of:
        run.console.info(f"{of - todo} of {of} files were read by an earlier try")
    if not todo:
        return
    workers = _workers(recipe, run, extent.units)
    with run.console.progress("reading", total=todo, unit="files") as meter:

        def done(unit: Unit, found: int, refused: int) -> None:
            meter.advance(len(unit.entries))
            run.log("unit", number=unit.number, found=found, refused=refused)

        engine = make_engine(
            recipe.engine,
            settings,
            address=recipe.address,
            workers=workers,
            expected=extent.units,
            check_stop=run.check_stop,
            done=done,
        )
        engine.run(waiting)


def _workers(recipe: CurateRecipe, run: Run, count: int) -> int:
    if isinstance(recipe.workers, int):
        return max(1, recipe.workers)
    cpus = usable_cpus()
    workers = max(1, min(cpus, count, MOST_WORKERS))
    run.resolve("workers", workers, f"{cpus} processors, {count} units of files")
    return workers


def _settings(
    recipe: CurateRecipe,
    folder: Path,
    ledger: Ledger,
    blocks: Sequence[Planned],
    names: Pseudonyms,
) -> Settings:
    settled = tuple(_block(recipe, ledger, block) for block in blocks)
    texts = engine(recipe.deidentify)  # `auto` depends on what is installed
    what = (__version__, settled, recipe.quality, recipe.deidentify, texts, names.fingerprint)
    mark = hashlib.sha256(repr(what).encode()).hexdigest()[:16]
    return Settings(str(folder), mark, settled, recipe.quality, recipe.deidentify, names)


def _block(recipe: CurateRecipe, ledger: Ledger, block: Planned) -> BlockSettings:
    keys = block.keys
    readers = _readers(ledger, block)
    cutting = Cutting(
        frames=keys.frames,
        slices=keys.slices,
        tile=_tile(recipe, block),
        tile_limit=recipe.tile.limit,
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
    return BlockSettings(readers, options, cutting, block.label_kind)


def _readers(ledger: Ledger, block: Planned) -> tuple[str, ...]:
    """The readers that may read a source; none for all that need not be asked for.

    A table or a text beside scans describes them. It is a sample of its own only where there is
    nothing else.
    """
    keys = block.keys
    if keys.readers != "auto":
        return tuple(keys.readers)
    seen: Counter[str] = Counter()
    looked = 0
    for _, file in islice(files(ledger, block.notes.block, role=""), PROBES):
        looked += 1
        with suppress(Unreadable, OSError):
            seen[sniff(Path(file.path), (), keys.format).name] += 1
    beside = bool(set(seen) - RECORDS)
    if beside:
        seen = Counter({name: count for name, count in seen.items() if name not in RECORDS})
    told = ", ".join(f"{count} {name}" for name, count in seen.most_common())
    why = f"by the content of the first {looked} files: {told or 'none is known'}"
    block.resolve("readers", sorted(seen), why)
    return (
        tuple(name for name in candidate_readers((), keys.format) if name not in RECORDS)
        if beside
        else ()
    )


def _format(block: Planned) -> dict[str, Any]:
    """What readers are told: without a table, columns that are named are those of the records."""
    keys = block.keys
    if block.notes.table is not None:
        return keys.format
    words = ("subject", "study", "site", "time", "age", "sex", "text")
    words += tuple(item.name for item in table_attributes() if item.name in type(keys).model_fields)
    said = {word: getattr(keys, word) for word in words} | {"label": keys.label_spec().column}
    named = {word: name for word, name in said.items() if name not in ("auto", "none", "folders")}
    return named | keys.format


def _tile(recipe: CurateRecipe, block: Planned) -> int | None:
    """The edge of tiles: a label that was given to a whole image need not hold for its parts."""
    size = recipe.tile.size
    if size != "auto":
        return size
    if block.notes.labelled or block.annotations.files:
        what = "labels" if block.notes.labelled else "annotations"
        block.resolve("tile.size", None, f"{what} speak of whole images, so these are not cut")
        return None
    block.resolve("tile.size", AUTO_TILE, "no label speaks of a whole image")
    return AUTO_TILE
