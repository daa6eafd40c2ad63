"""What an earlier run has read: found out before units are dealt, and taken before reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from medfm_cli.commands.curate.catalog import Ledger
from medfm_cli.commands.curate.deidentify.pseudonyms import Pseudonyms
from medfm_cli.commands.curate.reading.previous_run import Earlier, key_of
from medfm_cli.commands.curate.reading.staging import Spool
from medfm_cli.commands.curate.reading.units import entries, stamps, units
from medfm_cli.runs import Run


def know_entries(
    ledger: Ledger, blocks: Sequence[str], names: Pseudonyms, earlier: Earlier | None
) -> int:
    """Write down by what every entry is known later, and where an earlier run has it.

    Args:
        ledger: with all entries.
        blocks: the names of the source blocks.
        names: holds the key that hides file names.
        earlier: the run to look in.

    Returns:
        How many entries the earlier run has.
    """
    ledger.many(
        "UPDATE entries SET key = ?, old_unit = ?, old_entry = ? WHERE number = ?",
        _known(ledger, blocks, names, earlier),
    )
    return int(ledger.one("SELECT count(old_unit) FROM entries"))


def _known(
    ledger: Ledger, blocks: Sequence[str], names: Pseudonyms, earlier: Earlier | None
) -> Iterator[tuple[str, int | None, int | None, int]]:
    for entry in entries(ledger):
        key = key_of(names, entry, blocks[entry.block], stamps(ledger, entry.index))
        place = earlier.place(replace(entry, key=key), names) if earlier and key else None
        unit, number = place or (None, None)
        yield key, unit, number, entry.index


def adopt_units(
    run: Run, ledger: Ledger, spool: Spool, names: Pseudonyms, earlier: Earlier, *, count: int
) -> None:
    """Write the units of which nothing has changed out of the earlier run.

    What cannot be taken after all, because its shard is damaged, is left to be read.

    Raises:
        Stopped: a signal came; finished units stay.
        OSError: the disk refuses.
    """
    of = ledger.one("SELECT count(*) FROM entries")
    run.console.info(f"{count} of {of} files are unchanged since {earlier.name}: not read again")
    taken = 0
    with run.console.progress("taking over", total=count, unit="files") as meter:
        for unit in units(ledger):
            if unit.unchanged:
                if not spool.is_done(unit, packed=False) and earlier.adopt(unit, spool, names):
                    taken += len(unit.entries)
                meter.advance(len(unit.entries))
                run.check_stop()
    run.log("taken", run=earlier.name, entries=taken)
