"""The groups of files that belong together, found in a temporary database outside of memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from medfm_cli.readers.dicom.slices import Slice, apart

_TABLES = """
    CREATE TABLE claim (path TEXT PRIMARY KEY, main INTEGER) WITHOUT ROWID;
    CREATE TABLE slice (kind TEXT, number INTEGER, slice TEXT);
    CREATE TABLE proposal (key TEXT, folder TEXT, marked INTEGER, number INTEGER, path TEXT);
    CREATE INDEX proposal_key ON proposal (key);
    CREATE INDEX proposal_folder ON proposal (folder);
    CREATE TABLE member (number INTEGER PRIMARY KEY, main INTEGER, kind TEXT);
"""
_CHAIN = 8
"""Most steps from a file to the main file of its group: headers may name headers."""
_ONE_STEP_UP = """
    UPDATE member SET main = (SELECT up.main FROM member AS up WHERE up.number = member.main)
    WHERE main IN (SELECT number FROM member)
"""
_BY_NAME = """
    SELECT scan.number, scan.path, mask.number, mask.path
    FROM proposal AS mask JOIN proposal AS scan ON scan.key = mask.key
    WHERE mask.marked AND NOT scan.marked
    GROUP BY mask.key HAVING COUNT(*) = 1 ORDER BY scan.number
"""
_ALONE_IN_A_FOLDER = """
    SELECT scan.number, scan.path, mask.number, mask.path
    FROM (SELECT folder FROM proposal GROUP BY folder HAVING COUNT(*) = 2 AND SUM(marked) = 1) AS of
    JOIN proposal AS mask ON mask.folder = of.folder AND mask.marked
    JOIN proposal AS scan ON scan.folder = of.folder AND NOT scan.marked
    WHERE mask.number NOT IN (SELECT number FROM member)
        AND scan.number NOT IN (SELECT main FROM member WHERE kind = 'mask')
    ORDER BY scan.number
"""


class FileGroups:
    """A database that SQLite keeps in its cache, and in a temporary file when it grows."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(f"PRAGMA journal_mode = OFF; {_TABLES} BEGIN;")

    def close(self) -> None:
        """Forget everything."""
        self._db.close()

    def add(self, sights: Iterable[tuple[int, str, Any]]) -> None:
        """Keep what was seen: `belongs` with paths, or `slice` with a slice as JSON."""
        for number, what, seen in sights:
            if what == "belongs":
                rows = [(path, number) for path in seen]
                self._db.executemany("INSERT OR IGNORE INTO claim VALUES (?, ?)", rows)
            else:
                kind = json.dumps(json.loads(seen)[0])
                self._db.execute("INSERT INTO slice VALUES (?, ?, ?)", (kind, number, seen))

    def add_candidates(self, names: Iterable[tuple[int, str, str, bool, str]]) -> None:
        """Keep number, key, folder, whether it is marked as a mask, and path of possible pairs."""
        self._db.executemany(
            "INSERT INTO proposal (number, key, folder, marked, path) VALUES (?, ?, ?, ?, ?)", names
        )

    def resolve(self, paths: Iterable[str], *, fits: Callable[[str, str], bool]) -> None:
        """Decide which files belong together.

        Args:
            paths: of all files, in the order of the listing.
            fits: whether a scan (first path) has a mask (second path).
        """
        if self._db.execute("SELECT 1 FROM claim LIMIT 1").fetchone():
            self._resolve_claims(paths)
        self._resolve_series()
        for rule in (_BY_NAME, _ALONE_IN_A_FOLDER):
            self._resolve_pairs(rule, fits)
        self._follow_chains()

    def groups(self, count: int) -> Iterator[tuple[int, tuple[int, ...], str]]:
        """Main file, others and kind of every group of the `count` files, by main file."""
        grouped = iter(self._rows("SELECT number FROM member ORDER BY number"))
        rows = self._rows("SELECT main, number, kind FROM member ORDER BY main, number")
        mains = groupby(rows, key=lambda row: row[0])
        next_member, next_main = next(grouped, None), next(mains, None)
        for number in range(count):
            if next_member is not None and next_member[0] == number:
                next_member = next(grouped, None)
                continue
            if next_main is None or next_main[0] != number:
                yield number, (), "file"
                continue
            members = [(other, kind) for _, other, kind in next_main[1]]
            kinds = {kind for _, kind in members}
            kind = next(k for k in ("mask", "series", "companions") if k in kinds)
            yield number, tuple(other for other, _ in members), kind
            next_main = next(mains, None)

    def _rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        yield from self._db.cursor().execute(sql)

    def _belong(self, rows: Iterable[tuple[int, int, str]]) -> None:
        self._db.executemany("INSERT OR IGNORE INTO member VALUES (?, ?, ?)", rows)

    def _resolve_claims(self, paths: Iterable[str]) -> None:
        for number, path in enumerate(paths):
            row = self._db.execute("SELECT main FROM claim WHERE path = ?", (path,)).fetchone()
            if row and row[0] != number:
                self._belong([(number, row[0], "companions")])

    def _resolve_series(self) -> None:
        rows = self._rows("SELECT kind, number, slice FROM slice ORDER BY kind, number")
        for _, group in groupby(rows, key=lambda row: row[0]):
            members = list(group)
            slices = [_slice(json.loads(seen)) for _, _, seen in members]
            for volume in apart(slices):
                first, *others = (members[index][1] for index in volume)
                self._belong((other, first, "series") for other in others)

    def _resolve_pairs(self, rule: str, fits: Callable[[str, str], bool]) -> None:
        for scan, scan_path, mask, mask_path in self._rows(rule):
            if fits(scan_path, mask_path):
                self._belong([(mask, scan, "mask")])

    def _follow_chains(self) -> None:
        """Files of a file that belongs to another belong to that one."""
        for _ in range(_CHAIN):
            self._db.execute(_ONE_STEP_UP)
        self._db.execute(
            "DELETE FROM member WHERE main = number OR main IN (SELECT number FROM member)"
        )


def _slice(values: Sequence[Any]) -> Slice:
    """A slice from its JSON."""
    plain: list[Any] = [tuple(value) if isinstance(value, list) else value for value in values]
    return Slice(*plain)
