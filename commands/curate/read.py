"""The reading of a whole source: files dealt into units, units to processes, rows collected."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from medfm_cli.commands.curate.deidentify import Pseudonyms
from medfm_cli.commands.curate.notes import Notes
from medfm_cli.commands.curate.pool import Pool
from medfm_cli.commands.curate.reading import Settings
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.sources import File, Listing
from medfm_cli.commands.curate.spool import Entry, Found, Refused, Spool, Unit
from medfm_cli.data.card import Cutting
from medfm_cli.data.machine import usable_cpus
from medfm_cli.data.readers import ReadOptions, Unreadable, sniff
from medfm_cli.runs import Run
from medfm_cli.version import __version__

UNITS = ("checkpoints", "units")
UNIT_FILES = 32
UNIT_BYTES = 16 << 20
RANGE = 8192
"""Images of a collection file that are read in one go."""
COLLECTION = 1 << 20
"""Files from this size on are looked at whether they hold thousands of images, in bytes."""
AUTO_TILE = 512
MOST_WORKERS = 32


@dataclass
class Reading:
    """All that was read, in the order of the source."""

    entries: list[Entry]
    found: list[Found]
    refused: list[Refused]
    spool: Spool
    cutting: Cutting


def read_all(
    recipe: CurateRecipe, run: Run, *, listing: Listing, notes: Notes, names: Pseudonyms
) -> Reading:
    """Read every file of the source that was not read by an earlier try of this run.

    Raises:
        Stopped: a signal came; finished units stay.
        OSError: the disk refuses.
    """
    entries = _entries(listing, notes)
    units = _units(entries)
    cutting = _cutting(recipe, _tile(recipe, notes, run))
    folder = run.path(*UNITS)
    folder.mkdir(exist_ok=True, mode=0o700)
    settings = _settings(recipe, folder, cutting, names)
    spool = Spool(folder, settings.mark)
    packed = (run.dir / "dataset" / "dataset.json").is_file()
    todo = [unit for unit in units if not spool.is_done(unit.number, packed=packed)]
    if packed and todo:  # what was packed was made from other rows: read all again
        todo = [unit for unit in units if not spool.is_done(unit.number, packed=False)]
    workers = _workers(recipe, run, len(units))
    _remove_leftovers(folder)  # of a try that was killed
    try:
        _read_units(run, todo, settings, workers=workers, of=len(entries))
    finally:
        _remove_leftovers(folder)
    found: list[Found] = []
    refused: list[Refused] = []
    for unit in units:
        images, others = spool.load(unit.number)
        found += images
        refused += others
    return Reading(entries, found, refused, spool, cutting)


def _remove_leftovers(folder: Path) -> None:
    for leftover in [*folder.glob("*.tmp"), *folder.glob("*.now")]:
        leftover.unlink(missing_ok=True)


def _read_units(run: Run, units: list[Unit], settings: Settings, *, workers: int, of: int) -> None:
    """Read the units that no earlier try has read, of `of` files in all."""
    files = sum(len(unit.entries) for unit in units)
    if files < of:
        run.console.info(f"{of - files} of {of} files were read by an earlier try")
    if not units:
        return
    with run.console.progress("reading", total=files, unit="files") as meter:

        def done(unit: Unit, found: int, refused: int) -> None:
            meter.advance(len(unit.entries))
            run.log("unit", number=unit.number, images=found, refused=refused)

        Pool(settings, workers=workers, check_stop=run.check_stop, done=done).run(units)


def _workers(recipe: CurateRecipe, run: Run, units: int) -> int:
    if isinstance(recipe.workers, int):
        return max(1, recipe.workers)
    cpus = usable_cpus()
    workers = max(1, min(cpus, units, MOST_WORKERS))
    run.resolve("workers", workers, f"{cpus} processors, {units} units of files")
    return workers


def _tile(recipe: CurateRecipe, notes: Notes, run: Run) -> int | None:
    """The edge of tiles: a label that was given to a whole image need not hold for its parts."""
    size = recipe.tile.size
    if size != "auto":
        return size
    if notes.labelled:
        run.resolve("tile.size", None, "labels speak of whole images, so these are not cut")
        return None
    run.resolve("tile.size", AUTO_TILE, "no label speaks of a whole image")
    return AUTO_TILE


def _cutting(recipe: CurateRecipe, tile: int | None) -> Cutting:
    """What is taken from a file, as the dataset's card tells it to those who come after."""
    return Cutting(
        frames=recipe.frames,
        slices=recipe.slices,
        tile=tile,
        tile_limit=recipe.tile.limit,
        max_side=recipe.tile.max_side,
    )


def _settings(recipe: CurateRecipe, folder: Path, cutting: Cutting, names: Pseudonyms) -> Settings:
    options = ReadOptions(recipe.frames, recipe.slices, recipe.quality.max_megapixels * 1_000_000)
    what = (__version__, options, recipe.quality, cutting, names.fingerprint)
    mark = hashlib.sha256(repr(what).encode()).hexdigest()[:16]
    return Settings(
        folder=str(folder),
        mark=mark,
        read=options,
        quality=recipe.quality,
        cutting=cutting,
        pseudonyms=names,
    )


def _entries(listing: Listing, notes: Notes) -> list[Entry]:
    """What is to be read: every file but the table, large collections in ranges."""
    table = str(notes.table) if notes.table else None
    entries: list[Entry] = []
    for number, file in enumerate(listing.files):
        if file.path == table:
            continue
        for first, last in _ranges(file):
            entry = Entry(len(entries), number, file.name, file.path, file.size, first, last)
            entries.append(entry)
    return entries


def _ranges(file: File) -> list[tuple[int, int]]:
    """The ranges of images of a file that holds thousands, else one that means all."""
    if file.size >= COLLECTION:
        try:
            count = sniff(Path(file.path)).count
            total = count(Path(file.path)) if count else 0
        except (Unreadable, OSError):
            total = 0
        if total:
            return [(low, min(low + RANGE, total)) for low in range(0, total, RANGE)]
    return [(-1, -1)]


def _units(entries: list[Entry]) -> list[Unit]:
    """Entries in their order, a few together; a range of a collection is a unit of its own."""
    units: list[Unit] = []
    pending: list[Entry] = []
    size = 0
    for entry in entries:
        full = len(pending) >= UNIT_FILES or size + entry.size > UNIT_BYTES
        if pending and (full or entry.first >= 0 or pending[-1].first >= 0):
            units.append(Unit(len(units), tuple(pending)))
            pending, size = [], 0
        pending.append(entry)
        size += entry.size
    if pending:
        units.append(Unit(len(units), tuple(pending)))
    return units
