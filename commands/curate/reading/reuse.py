"""Reuse of what a previous run has read: looked up before units are made, copied before reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.reading.previous_run import PreviousRun, key_of
from medfm_cli.commands.curate.reading.staging import Staging
from medfm_cli.commands.curate.reading.work_units import entries, stamps, units
from medfm_cli.runs import Run


def know_entries(
    catalog: Catalog, blocks: Sequence[str], names: Pseudonyms, previous: PreviousRun | None
) -> int:
    """Write down by what every entry is known later, and where an earlier run has it.

    Args:
        catalog: with all entries.
        blocks: the names of the source blocks.
        names: holds the key that hides file names.
        previous: the run to look in.

    Returns:
        How many entries the earlier run has.
    """
    catalog.many(
        "UPDATE entries SET key = ?, old_unit = ?, old_entry = ? WHERE number = ?",
        _known(catalog, blocks, names, previous),
    )
    return int(catalog.one("SELECT count(old_unit) FROM entries"))


def _known(
    catalog: Catalog, blocks: Sequence[str], names: Pseudonyms, previous: PreviousRun | None
) -> Iterator[tuple[str, int | None, int | None, int]]:
    for entry in entries(catalog):
        key = key_of(names, entry, blocks[entry.block], stamps(catalog, entry.index))
        place = previous.place(replace(entry, key=key), names) if previous and key else None
        unit, number = place or (None, None)
        yield key, unit, number, entry.index


def adopt_units(
    run: Run,
    catalog: Catalog,
    staging: Staging,
    names: Pseudonyms,
    previous: PreviousRun,
    *,
    count: int,
) -> None:
    """Write the units of which nothing has changed out of the earlier run.

    What cannot be reused after all, because its shard is damaged, is left to be read.

    Raises:
        Stopped: a signal came; finished units stay.
        OSError: the disk refuses.
    """
    of = catalog.one("SELECT count(*) FROM entries")
    run.console.info(f"{count} of {of} files are unchanged since {previous.name}: not read again")
    reused = 0
    with run.console.progress("reusing", total=count, unit="files") as meter:
        for unit in units(catalog):
            if unit.unchanged:
                if not staging.is_done(unit, packed=False) and previous.adopt(unit, staging, names):
                    reused += len(unit.entries)
                meter.advance(len(unit.entries))
                run.check_stop()
    run.log("reused", run=previous.name, entries=reused)
