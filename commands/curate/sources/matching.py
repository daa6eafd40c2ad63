"""Which files a cell of a table means: by path, by name, by name without its ending, by folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medfm_cli.commands.curate.catalog import Catalog

PROBE = 2000
"""Rows that are tried to tell which column names the files."""
ENOUGH = 0.5
"""The share of them that must match."""


class Matcher:
    """Finds files by what a table calls them; large and small letters are the same.

    Args:
        catalog: holds the files, indexed.
        block: the number of the source whose files are meant.
    """

    def __init__(self, catalog: Catalog, block: int) -> None:
        self._ledger = catalog
        self._block = block
        self._folders = f"folders_{block}"

    def find(self, cell: str) -> list[int]:
        """The numbers of the files that a cell names; several when it cannot tell them apart.

        A cell may have more or fewer folders than the file, and no ending.
        """
        parts = tuple(part for part in _plain(cell).split("/") if part not in ("", "."))
        if not parts:
            return []
        found = self._named("last", parts[-1]) or self._named("stem", parts[-1])
        found = found or self._named("stem", stem(parts[-1]))
        if len(found) < 2:
            return [number for number, _ in found]
        scores = [_common_end(parts[:-1], name.lower().split("/")[:-1]) for _, name in found]
        best = max(scores)
        return [number for (number, _), s in zip(found, scores, strict=True) if s == best]

    def in_folder(self, cell: str) -> list[int]:
        """The files somewhere below a folder of this name."""
        self._index_folders()
        sql = f"SELECT DISTINCT file FROM {self._folders} WHERE part = ? ORDER BY file"  # noqa: S608
        return [row[0] for row in self._ledger.db.execute(sql, (_plain(cell).strip("/"),))]

    def share(self, cells: Sequence[str], *, folders: bool = False) -> float:
        """The share of the first cells that name a file (or, with `folders`, a folder)."""
        probe = [cell for cell in cells if cell][:PROBE]
        look = self.in_folder if folders else self.find
        return sum(bool(look(cell)) for cell in probe) / max(1, len(probe))

    def _named(self, column: str, value: str) -> list[tuple[int, str]]:
        sql = (
            f"SELECT number, name FROM files WHERE {column} = ? AND block = ? "  # noqa: S608
            "ORDER BY number"
        )
        return [(row[0], row[1]) for row in self._ledger.db.execute(sql, (value, self._block))]

    def _index_folders(self) -> None:
        """Note which files lie below which folder; only tables of patients need to know."""
        with suppress(sqlite3.OperationalError):  # it is there already
            self._ledger.execute(f"CREATE TEMP TABLE {self._folders} (part TEXT, file INTEGER)")
            self._ledger.many(
                f"INSERT INTO {self._folders} VALUES (?, ?)",  # noqa: S608
                (
                    (part, row["number"])
                    for row in self._ledger.rows(
                        "SELECT number, name FROM files WHERE block = ?", self._block
                    )
                    for part in sorted(set(row["name"].lower().split("/")[:-1]))
                ),
            )
            self._ledger.execute(f"CREATE INDEX {self._folders}_part ON {self._folders} (part)")


def stem(name: str) -> str:
    """A name without its ending; `.nii.gz` is one ending."""
    for ending in (".nii.gz", ".dcm.gz", ".tar.gz"):
        if name.endswith(ending):
            return name[: -len(ending)]
    head, dot, tail = name.rpartition(".")
    return head if dot and head and len(tail) <= 5 and not tail.isdigit() else name


def _plain(cell: str) -> str:
    return cell.strip().replace("\\", "/").lower()


def _common_end(one: Iterable[str], other: Iterable[str]) -> int:
    """How many folders, from the last one up, two paths share."""
    count = 0
    for a, b in zip(reversed(tuple(one)), reversed(tuple(other)), strict=False):
        if a != b:
            break
        count += 1
    return count
