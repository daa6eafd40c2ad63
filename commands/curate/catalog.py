"""The catalog of a run on disk: every file, every sample, every decision, a row each (SQLite).

Steps read with streaming queries and write with updates, so that memory does not grow with the
number of samples. The catalog is scratch: every try of a run rebuilds it from the
staging folder and trusts no older one, so nothing in it needs to survive a crash.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from medfm_cli.samples.attributes import Attributes
from medfm_cli.samples.fields import REQUIRED, RecordField, record_fields

CHUNK = 2000
"""Rows that are fetched at a time."""
CACHE_KB = 16384
KEPT = "fate = 'kept'"
EACH_LABEL = (
    "json_each(CASE WHEN labels IS NOT NULL THEN labels "
    "WHEN label IS NOT NULL THEN json_array(label) ELSE '[]' END)"
)
"""The labels of an item as rows, whether it has one or several."""
NOTED = (
    *("subject", "study", "site", "split", "time", "text", "turns"),
    *(item.name for item in record_fields(Attributes) if item.kind is not list),
)
"""What a note can say; empty text where nothing is stated."""
_NOTED_COLUMNS = ", ".join(
    [f"{name} TEXT NOT NULL DEFAULT ''" for name in NOTED]
    + ["row INTEGER NOT NULL DEFAULT -1", "shared INTEGER NOT NULL DEFAULT 0"]
    + ["torn INTEGER NOT NULL DEFAULT 0"]
)
_SCHEMA = """
CREATE TABLE files (            -- everything that a source lists, in its order
  number INTEGER PRIMARY KEY,
  block INTEGER NOT NULL,       -- the source block it belongs to
  name TEXT NOT NULL,           -- as the source names it
  path TEXT NOT NULL,
  size INTEGER NOT NULL,
  stamp INTEGER NOT NULL,
  last TEXT NOT NULL,           -- the last part of its name, in small letters
  stem TEXT NOT NULL,           -- that without its ending
  role TEXT NOT NULL DEFAULT '',-- '' to be read; table, companion, annotation, list
  main INTEGER                  -- the file that a companion or annotation belongs to
);
CREATE TABLE left_out (block INTEGER, name TEXT, reason TEXT);
CREATE TABLE absent (           -- what tables and annotations say that nothing could be made of
  block INTEGER NOT NULL, name TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE notes (            -- what tables and folders say of a file
  file INTEGER PRIMARY KEY, {noted}
);
CREATE TABLE patients (         -- what a table says of everything of one patient
  block INTEGER NOT NULL, patient TEXT NOT NULL, {noted},  -- patient: a pseudonym
  PRIMARY KEY (block, patient)
);
CREATE TABLE entries (          -- what is read in one go: a file with companions, or a range of it
  number INTEGER PRIMARY KEY, file INTEGER NOT NULL, block INTEGER NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL,
  kind TEXT NOT NULL DEFAULT '', others TEXT NOT NULL DEFAULT '[]',
  size INTEGER NOT NULL,
  key TEXT NOT NULL DEFAULT '',           -- what it is known by in later runs
  old_unit INTEGER, old_entry INTEGER     -- where an earlier run has it
);
CREATE TABLE marks (mark TEXT PRIMARY KEY) WITHOUT ROWID;  -- of the identifiers that were seen
{items}
CREATE TABLE refused (          -- what gave no sample, and why
  entry INTEGER NOT NULL, file INTEGER NOT NULL, block INTEGER NOT NULL, frame INTEGER NOT NULL,
  file_sha TEXT NOT NULL, step TEXT NOT NULL, reason TEXT NOT NULL, source TEXT NOT NULL DEFAULT ''
);
"""
_INDEXES = {
    "files": "CREATE INDEX files_last ON files (last); CREATE INDEX files_stem ON files (stem);",
    "items": "CREATE INDEX items_sha ON items (content_sha); "
    "CREATE INDEX items_subject ON items (subject); CREATE INDEX items_fate ON items (fate);",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogItem(Attributes):
    """A row of the table `items`: what was read and is good, and what the steps decide of it.

    `id` counts in the order of the source. `subject`, `study` and `site` are pseudonyms; `known`
    says that the subject is a patient and no stand-in. `shape`, `parts`, `facts`, `meta`, `turns`,
    `boxes` and `notes` are JSON. `official` is the split that the source gives, `twin` the item
    that is kept instead of this duplicate.
    """

    id: int
    block: int
    file: int
    entry: int
    unit: int
    frame: int
    part: str
    source: str = ""
    file_sha: str
    content_sha: str
    kind: str
    height: int
    width: int
    channels: int
    shape: str
    parts: str
    facts: str
    meta: str
    phash: int | None = None
    thumb: bytes | None = None
    subject: str
    known: bool = False
    study: str = ""
    site: str = ""
    official: str = ""
    time: str = ""
    text: str = ""
    turns: str = ""
    boxes: str = ""
    notes: str = "[]"
    fate: str = "kept"
    step: str = ""
    reason: str = ""
    twin: int | None = None
    exact: int = 0
    cluster: int | None = None
    split: str = ""
    client: str = ""


_SQL_TYPES = {
    str: "TEXT",
    int: "INTEGER",
    bool: "INTEGER",
    float: "REAL",
    bytes: "BLOB",
    list: "TEXT",
}


def create_table(name: str, record: Any) -> str:
    """The SQL that makes the table of a record; its field `id` is the key."""
    return f"CREATE TABLE {name} ({', '.join(map(_column, record_fields(record)))});"


def _column(item: RecordField) -> str:
    if item.name == "id":
        return "id INTEGER PRIMARY KEY"
    column = f"{item.name} {_SQL_TYPES[item.kind]}"
    if not item.nullable:
        column += " NOT NULL"
    if item.default is REQUIRED or item.default is None:
        return column
    default = repr(item.default) if item.kind is str else str(+item.default)
    return f"{column} DEFAULT {default}"


_ITEM_FIELDS = record_fields(CatalogItem)
_INSERT_ITEM = (
    f"INSERT INTO items ({', '.join(item.name for item in _ITEM_FIELDS)}) "  # noqa: S608
    f"VALUES ({', '.join('?' * len(_ITEM_FIELDS))})"
)


def _schema() -> str:
    return _SCHEMA.replace("{noted}", _NOTED_COLUMNS).replace(
        "{items}", create_table("items", CatalogItem)
    )


def _json(value: list[str]) -> str:
    return json.dumps(value, ensure_ascii=False)


class Catalog:
    """The open catalog. A context manager; leaving it closes the file and keeps it.

    Args:
        path: the SQLite file; what was there before is removed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _remove(path)
        self.db = sqlite3.connect(path, isolation_level=None, cached_statements=256)
        self.db.row_factory = sqlite3.Row
        for pragma in (
            "journal_mode = OFF",
            "synchronous = OFF",
            "temp_store = FILE",
            f"cache_size = -{CACHE_KB}",
        ):
            self.db.execute(f"PRAGMA {pragma}")
        with _disk_errors():
            self.db.executescript(_schema())
        path.chmod(0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def remove(self) -> None:
        """Close the file and remove it: it holds the names of a site's files."""
        self.close()
        _remove(self.path)

    def rows(self, sql: str, *args: Any) -> Iterator[sqlite3.Row]:
        """The rows of a query, streamed; other statements may run meanwhile.

        A table that is being read must not be changed in the columns that the query sorts or
        filters by.
        """
        cursor = self.db.cursor()
        try:
            cursor.arraysize = CHUNK
            with _disk_errors():
                cursor.execute(sql, args)
            while chunk := cursor.fetchmany():
                yield from chunk
        finally:
            with suppress(sqlite3.ProgrammingError):  # the catalog may be closed before the query
                cursor.close()

    def execute(self, sql: str, *args: Any) -> int:
        """Run a statement; gives how many rows it changed. Named parameters come as one dict."""
        with _disk_errors():
            named = len(args) == 1 and isinstance(args[0], dict)
            return self.db.execute(sql, args[0] if named else args).rowcount

    def many(self, sql: str, rows: Iterable[Iterable[Any]]) -> None:
        """Run a statement for every row of parameters, in one transaction.

        `rows` may itself read from the catalog.
        """
        with _disk_errors():
            self.db.execute("SAVEPOINT many")
            self.db.executemany(sql, (tuple(row) for row in rows))
            self.db.execute("RELEASE many")

    def insert(self, table: str, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
        """Insert rows into some columns of a table."""
        names = list(columns)
        marks = ", ".join("?" * len(names))
        self.many(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)  # noqa: S608

    def add(self, item: CatalogItem) -> None:
        """Add a row to `items`."""
        values = [getattr(item, field.name) for field in _ITEM_FIELDS]
        self.execute(_INSERT_ITEM, *(_json(v) if isinstance(v, list) else v for v in values))

    def one(self, sql: str, *args: Any) -> Any:
        """The first column of the first row, None where there is no row."""
        row = self.db.execute(sql, args).fetchone()
        return None if row is None else row[0]

    def index(self, table: str) -> None:
        """Make the indexes of a table, once it is filled."""
        with _disk_errors():
            self.db.executescript(_INDEXES[table])


def block_name(block: int, blocks: Sequence[str]) -> str:
    """The name of a source block."""
    return blocks[block] if 0 <= block < len(blocks) else str(block)


@contextmanager
def _disk_errors() -> Iterator[None]:
    """A full disk is the system's error, not one of SQL.

    Raises:
        OSError: the disk is full or refuses.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        code = error.sqlite_errorcode & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        if code == sqlite3.SQLITE_IOERR:
            full = error.sqlite_errorcode == sqlite3.SQLITE_IOERR_WRITE
            number = errno.ENOSPC if full else errno.EIO
            raise OSError(number, os.strerror(number)) from None
        raise


def _remove(path: Path) -> None:
    for name in (path.name, f"{path.name}-journal", f"{path.name}-wal", f"{path.name}-shm"):
        with suppress(FileNotFoundError):
            path.with_name(name).unlink()
