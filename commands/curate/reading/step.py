"""The step that reads all sources: work units go to processes, finished ones are kept for a resume.

The door of this folder: `read_all` stages what the files hold, `join` brings it into the catalog.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.metadata.file_metadata import Resolve
from medfm_cli.commands.curate.reading.engines import make_engine
from medfm_cli.commands.curate.reading.joining import JoinSummary, SourceInfo, join
from medfm_cli.commands.curate.reading.previous_run import PreviousRun
from medfm_cli.commands.curate.reading.reuse import adopt_units, know_entries
from medfm_cli.commands.curate.reading.staging import Staging, WorkUnit
from medfm_cli.commands.curate.reading.work_units import make_entries, units
from medfm_cli.commands.curate.reading.worker import WorkerConfig
from medfm_cli.commands.curate.reading.worker_config import PlannedSource, worker_config
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.commands.curate.sources import Source
from medfm_cli.data.card import Cutting
from medfm_cli.runs import Run
from medfm_cli.runs.machine import usable_cpus

__all__ = [
    "JoinSummary",
    "PlannedSource",
    "Reading",
    "SourceInfo",
    "join",
    "read_all",
    "source_infos",
]

UNITS = ("checkpoints", "units")
MOST_WORKERS = 32
LEFTOVERS = ("*.tmp", "*.progress", "*.lease")
"""What a try that was killed may leave; tasks of a cluster end when their lease is gone."""


@dataclass(frozen=True)
class Workload:
    """How much there is to read: units in all, entries that are still to be read and in all."""

    units: int
    todo: int
    entries: int


@dataclass
class Reading:
    """What was read, and where it is staged, unit by unit."""

    staging: Staging
    units: int
    cuttings: list[Cutting]


def read_all(
    recipe: CurateRecipe,
    run: Run,
    catalog: Catalog,
    blocks: Sequence[PlannedSource],
    names: Pseudonyms,
) -> Reading:
    """Read every file of the sources that was not read by an earlier try of this run.

    Raises:
        Stopped: a signal came; finished units stay.
        OSError: the disk refuses.
    """
    folder = run.path(*UNITS)
    folder.mkdir(exist_ok=True, mode=0o700)
    config = worker_config(recipe, folder, catalog, blocks, names)
    for number, block in enumerate(config.blocks):
        make_entries(catalog, number, block)
    staging = Staging(folder, config.mark)
    packed = (run.dir / "dataset" / "dataset.json").is_file()
    _remove_leftovers(folder)  # of a try that was killed
    by_time = all(keys.check == "time" for keys in recipe.blocks().values())
    with _previous_run(run, config.mark, of_use=by_time) as previous:
        known = know_entries(catalog, list(recipe.blocks()), names, previous)
        count, todo = _count(catalog, staging, packed=packed)
        if todo and known and previous is not None:
            adopt_units(run, catalog, staging, names, previous, count=known)
            count, todo = _count(catalog, staging, packed=False)
        elif packed and todo:  # what was packed was made from other rows: read all again
            count, todo = _count(catalog, staging, packed=False)
    packed = packed and not todo
    try:
        waiting = (unit for unit in units(catalog) if not staging.is_done(unit, packed=packed))
        _read_units(recipe, run, waiting, config, Workload(count, todo, _entries(catalog) - known))
    finally:
        _remove_leftovers(folder)
    return Reading(staging, count, [block.cutting for block in config.blocks])


@contextmanager
def _previous_run(run: Run, mark: str, *, of_use: bool) -> Iterator[PreviousRun | None]:
    """The run whose unchanged files are reused, while it is open.

    It knows files by size and time, so it is of no use where these are not trusted.
    """
    previous = PreviousRun.find(run, mark) if of_use else None
    with previous or nullcontext():
        yield previous


def _count(catalog: Catalog, staging: Staging, *, packed: bool) -> tuple[int, int]:
    """How many units there are, and how many entries are in those that are still to be read."""
    count = todo = 0
    for unit in units(catalog):
        count += 1
        todo += 0 if staging.is_done(unit, packed=packed) else len(unit.entries)
    return count, todo


def _entries(catalog: Catalog) -> int:
    return int(catalog.one("SELECT count(*) FROM entries"))


def _remove_leftovers(folder: Path) -> None:
    for leftover in (path for kind in LEFTOVERS for path in folder.glob(kind)):
        leftover.unlink(missing_ok=True)


def _read_units(
    recipe: CurateRecipe,
    run: Run,
    waiting: Iterator[WorkUnit],
    config: WorkerConfig,
    extent: Workload,
) -> None:
    """Read the units that no earlier try has read."""
    todo, of = extent.todo, extent.entries
    if todo < of:
        run.console.info(f"{of - todo} of {of} files were read by an earlier try")
    if not todo:
        return
    workers = _workers(recipe, run, extent.units)
    with run.console.progress("reading", total=todo, unit="files") as meter:

        def done(unit: WorkUnit, items: int, rejected: int) -> None:
            meter.advance(len(unit.entries))
            run.log("unit", number=unit.number, items=items, rejected=rejected)

        engine = make_engine(
            recipe.engine,
            config,
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


def source_infos(
    recipe: CurateRecipe, planned: Sequence[PlannedSource], sources: Sequence[Source]
) -> list[SourceInfo]:
    """What the join and the writing of the dataset need to know of each source."""
    names = list(recipe.blocks())
    return [
        SourceInfo(
            number=number,
            name=name,
            keys=plan.keys,
            metadata=plan.metadata,
            official=recipe.split.official != "none",
            keep_paths=_keeps_paths(recipe, source, plan.resolve),
            modality=source.modality,
            classes=source.classes,
            licences=source.licences,
            deidentify=recipe.deidentify,
        )
        for number, (name, plan, source) in enumerate(zip(names, planned, sources, strict=True))
    ]


def _keeps_paths(recipe: CurateRecipe, source: Source, resolve: Resolve) -> bool:
    paths = recipe.deidentify.source_paths
    if paths == "auto":
        why = "the source is public" if source.public else "file names often hold patients' names"
        resolve("deidentify.source_paths", "keep" if source.public else "hash", why)
        return source.public
    return paths == "keep"
