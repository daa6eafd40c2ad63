"""Files dealt into entries, and entries into units: what one process reads in one go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from medfm_cli.commands.curate.ledger import Ledger
from medfm_cli.commands.curate.listing import files
from medfm_cli.commands.curate.reading import BlockSettings
from medfm_cli.commands.curate.sources import File
from medfm_cli.commands.curate.spool import Entry, Unit
from medfm_cli.data.readers import Unreadable, sniff

UNIT_FILES = 32
UNIT_BYTES = 16 << 20
RANGE = 8192
"""Samples of a collection file that are read in one go."""
COLLECTION = 1 << 20
"""Files from this size on are looked at whether they hold thousands of samples, in bytes."""


def make_entries(ledger: Ledger, block: int, settings: BlockSettings) -> None:
    """Write down what is to be read of a source: every file but tables and companions."""
    number = ledger.one("SELECT count(*) FROM entries")
    columns = ("number", "file", "block", "first", "last")
    rows = (
        (file, block, first, last)
        for file, what in files(ledger, block, role="")
        for first, last in _ranges(what, settings)
    )
    ledger.insert("entries", columns, ((n, *row) for n, row in enumerate(rows, number)))


def entries(ledger: Ledger) -> Iterator[Entry]:
    """All entries in their order."""
    rows = ledger.rows(
        "SELECT e.number, e.file, e.block, f.name, f.path, f.size, e.first, e.last, e.others, "
        "e.kind, e.notes, coalesce(n.text, '') AS text, coalesce(n.turns, '') AS turns "
        "FROM entries e JOIN files f ON f.number = e.file LEFT JOIN notes n ON n.file = e.file "
        "ORDER BY e.number"
    )
    for row in rows:
        yield Entry(
            index=row["number"],
            file=row["file"],
            block=row["block"],
            name=row["name"],
            path=row["path"],
            size=row["size"],
            first=row["first"],
            last=row["last"],
            others=tuple(json.loads(row["others"])),
            kind=row["kind"],
            notes=tuple((kind, path, key) for kind, path, key in json.loads(row["notes"])),
            text=row["text"],
            turns=row["turns"],
        )


def units(ledger: Ledger) -> Iterator[Unit]:
    """Entries in their order, a few together; a range of a collection is a unit of its own."""
    number = 0
    pending: list[Entry] = []
    size = 0
    for entry in entries(ledger):
        full = len(pending) >= UNIT_FILES or size + entry.size > UNIT_BYTES
        if pending and (full or entry.first >= 0 or pending[-1].first >= 0):
            yield Unit(number, tuple(pending))
            number, pending, size = number + 1, [], 0
        pending.append(entry)
        size += entry.size
    if pending:
        yield Unit(number, tuple(pending))


def _ranges(file: File, settings: BlockSettings) -> list[tuple[int, int]]:
    """The ranges of samples of a file that holds thousands, else one that means all."""
    if file.size >= COLLECTION:
        try:
            reader = sniff(Path(file.path), settings.readers, settings.read.format)
            total = reader.count(Path(file.path)) if reader.count else 0
        except (Unreadable, OSError):
            total = 0
        if total:
            return [(low, min(low + RANGE, total)) for low in range(0, total, RANGE)]
    return [(-1, -1)]
