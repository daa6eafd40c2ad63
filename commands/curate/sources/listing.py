"""All files of all sources into the catalog, in an order that depends on their names alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.sources import File, LeftOut, Source, walk
from medfm_cli.commands.curate.sources.matching import stem

COLUMNS = ("number", "block", "name", "path", "size", "stamp", "last", "stem")


def list_files(catalog: Catalog, source: Source, block: int, work: Path) -> int:
    """List one source; files are numbered on from those of the sources before it.

    Args:
        catalog: gets the files and what is left out.
        source: the source.
        block: its number.
        work: where to unpack or fetch what has to be.

    Returns:
        How many files there are.

    Raises:
        DataError: the source holds nothing to read.
    """
    catalog.execute("CREATE TEMP TABLE found (name TEXT, path TEXT, size INTEGER, stamp INTEGER)")
    catalog.many("INSERT INTO found VALUES (?, ?, ?, ?)", _found(catalog, source, block, work))
    first = catalog.one("SELECT count(*) FROM files")
    catalog.insert("files", COLUMNS, _numbered(catalog, block, first))
    catalog.execute("DROP TABLE found")
    return int(catalog.one("SELECT count(*) FROM files")) - int(first)


def _found(
    catalog: Catalog, source: Source, block: int, work: Path
) -> Iterator[tuple[str, str, int, int]]:
    for found in walk(source, work):
        if isinstance(found, LeftOut):
            catalog.execute(
                "INSERT INTO left_out VALUES (?, ?, ?)", block, found.name, found.reason
            )
        else:
            yield found.name, _sayable(found.path, work), found.size, found.stamp


def _sayable(path: str, work: Path) -> str:
    """A path that is text: where bytes of it are no UTF-8, that of a link under `work` to it."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        folder = work / "named"
        folder.mkdir(parents=True, exist_ok=True)
        link = folder / hashlib.sha256(os.fsencode(path)).hexdigest()[:32]
        if not link.is_symlink():
            link.symlink_to(Path(path).absolute())
        return str(link)
    return path


def _numbered(catalog: Catalog, block: int, first: int) -> Iterator[tuple[object, ...]]:
    rows = catalog.rows("SELECT * FROM found ORDER BY name, path")
    for number, row in enumerate(rows, first):
        last = row["name"].lower().rpartition("/")[2]
        yield number, block, row["name"], row["path"], row["size"], row["stamp"], last, stem(last)


def files(catalog: Catalog, block: int, *, role: str | None = None) -> Iterator[tuple[int, File]]:
    """The files of a block with their numbers, in order; of one role, where it is given."""
    of_role = "" if role is None else " AND role = ?"
    sql = f"SELECT * FROM files WHERE block = ?{of_role} ORDER BY number"  # noqa: S608
    for row in catalog.rows(sql, block, *(() if role is None else (role,))):
        yield row["number"], File(row["name"], row["path"], row["size"], row["stamp"])
