"""Files grouped into entries, and entries into work units: what one process reads in one go."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from pathlib import Path

from medfm_cli.commands.curate.annotations.step import refs_of
from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.reading.grouping import group
from medfm_cli.commands.curate.reading.staging import Entry, WorkUnit
from medfm_cli.commands.curate.reading.worker import SourceConfig
from medfm_cli.commands.curate.sources import File
from medfm_cli.commands.curate.sources.listing import files
from medfm_cli.readers import Unreadable, sniff

UNIT_FILES = 32
UNIT_BYTES = 16 << 20
RANGE = 8192
"""Samples of a collection file that are read in one go."""
COLLECTION = 1 << 20
"""Files from this size on are looked at whether they hold thousands of samples, in bytes."""


def make_entries(catalog: Catalog, block: int, settings: SourceConfig) -> None:
    """Write down what is to be read of a source: every file but tables and companions."""
    numbers = array("q", (number for number, _ in files(catalog, block, role="")))
    first = catalog.one("SELECT count(*) FROM entries")
    columns = ("number", "file", "block", "first", "last", "kind", "others", "size")
    rows = _rows(catalog, _Files(catalog, block), numbers, settings)
    catalog.insert(
        "entries", columns, ((n, row[0], block, *row[1:]) for n, row in enumerate(rows, first))
    )
    companions = (
        (other, row["file"])
        for row in catalog.rows("SELECT file, others FROM entries WHERE others <> '[]'")
        for other in json.loads(row["others"])
    )
    catalog.many("UPDATE files SET role = 'companion', main = ?2 WHERE number = ?1", companions)


class _Files:
    """The files that are to be read, as often as they are iterated."""

    def __init__(self, catalog: Catalog, block: int) -> None:
        self._ledger = catalog
        self._block = block

    def __iter__(self) -> Iterator[File]:
        return (file for _, file in files(self._ledger, self._block, role=""))


def _rows(
    catalog: Catalog, listing: _Files, numbers: array[int], settings: SourceConfig
) -> Iterator[tuple[int, int, int, str, str, int]]:
    """File, range, kind, other files and size in bytes of every entry."""
    groups = group(
        listing,
        whole=settings.read.whole,
        readers=settings.readers,
        words=tuple(settings.read.format),
    )
    sql = "SELECT name, path, size, stamp FROM files WHERE number = ?"
    for members in groups:
        main, others = numbers[members.main], [numbers[other] for other in members.others]
        file = File(*catalog.db.execute(sql, (main,)).fetchone())
        size = file.size + sum(catalog.db.execute(sql, (n,)).fetchone()["size"] for n in others)
        kind = "" if members.kind == "file" else members.kind
        ranges = [(-1, -1)] if others else _ranges(file, settings)
        for first, last in ranges:
            yield main, first, last, kind, json.dumps(others), size


def entries(catalog: Catalog) -> Iterator[Entry]:
    """All entries in their order."""
    fields = ("subject", "study", "time", "age", "sex", "text", "turns")
    values = ", ".join(f"coalesce(n.{name}, '') AS {name}" for name in fields)
    rows = catalog.rows(
        "SELECT e.number, e.file, e.block, f.name, f.path, e.size, e.first, e.last, e.others, "  # noqa: S608
        f"e.kind, e.key, e.old_unit, e.old_entry, {values} "
        "FROM entries e JOIN files f ON f.number = e.file LEFT JOIN notes n ON n.file = e.file "
        "ORDER BY e.number"
    )
    for row in rows:
        others = json.loads(row["others"])
        yield Entry(
            index=row["number"],
            file=row["file"],
            block=row["block"],
            name=row["name"],
            path=row["path"],
            size=row["size"],
            first=row["first"],
            last=row["last"],
            others=tuple(_path(catalog, other) for other in others),
            kind=row["kind"],
            refs=tuple(refs_of(catalog, row["file"])),
            table_values={name: row[name] for name in fields if row[name]},
            key=row["key"],
            old=None if row["old_unit"] is None else (row["old_unit"], row["old_entry"]),
        )


def stamps(catalog: Catalog, entry: int) -> list[tuple[str, int, int]]:
    """Name, size and time of the files of an entry, its own first."""
    file, others = catalog.db.execute(
        "SELECT file, others FROM entries WHERE number = ?", (entry,)
    ).fetchone()
    sql = "SELECT name, size, stamp FROM files WHERE number = ?"
    return [tuple(catalog.db.execute(sql, (n,)).fetchone()) for n in (file, *json.loads(others))]


def _path(catalog: Catalog, file: int) -> str:
    return str(catalog.one("SELECT path FROM files WHERE number = ?", file))


def units(catalog: Catalog) -> Iterator[WorkUnit]:
    """Entries in their order, a few together; a range of a collection is a unit of its own.

    What an earlier run has read is never together with what is to be read.
    """
    number = 0
    pending: list[Entry] = []
    size = 0
    for entry in entries(catalog):
        full = len(pending) >= UNIT_FILES or size + entry.size > UNIT_BYTES
        last = pending[-1] if pending else entry
        other = (entry.old is None) != (last.old is None)
        if pending and (full or other or entry.first >= 0 or last.first >= 0):
            yield WorkUnit(number, tuple(pending))
            number, pending, size = number + 1, [], 0
        pending.append(entry)
        size += entry.size
    if pending:
        yield WorkUnit(number, tuple(pending))


def _ranges(file: File, settings: SourceConfig) -> list[tuple[int, int]]:
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
