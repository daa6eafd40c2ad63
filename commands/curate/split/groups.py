"""What must stay together: subjects, and those that near duplicates (or sites) tie together.

The result is a temporary table `members` of the catalog, one row a kept sample, which holds all
that splitting needs in little space. Its `grp` is the number of the group: the connected component
of subjects over clusters, and over sites where whole sites stay together.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from medfm_cli.commands.curate.catalog import Catalog

SUBJECT = "coalesce(nullif(subject, ''), 'sample ' || content_sha)"
"""A sample without a subject is a subject of its own."""


@dataclass(frozen=True)
class Groups:
    """How many subjects and groups there are; `tied` subjects share their group with others."""

    subjects: int
    groups: int
    tied: int


def form_groups(catalog: Catalog, *, sites: bool = False) -> Groups:
    """Fill `members` with the kept samples and the numbers of their groups.

    Args:
        catalog: its clusters have been found.
        sites: whether whole sites stay together too.
    """
    catalog.db.executescript(
        """
        DROP TABLE IF EXISTS temp.subjects;
        DROP TABLE IF EXISTS temp.members;
        CREATE TEMP TABLE subjects (number INTEGER PRIMARY KEY, name TEXT UNIQUE);
        CREATE TEMP TABLE members (
          item INTEGER PRIMARY KEY, subject INTEGER NOT NULL, grp INTEGER NOT NULL,
          block INTEGER, kind TEXT, modality TEXT, site TEXT, time TEXT, official TEXT,
          label TEXT, labels TEXT, cluster INTEGER,
          side INTEGER NOT NULL DEFAULT 0, place INTEGER NOT NULL DEFAULT 0
        );
        """
    )
    catalog.execute(
        f"INSERT INTO subjects (name) SELECT DISTINCT {SUBJECT} FROM items "  # noqa: S608
        "WHERE fate = 'kept' ORDER BY 1"
    )
    catalog.execute(
        "INSERT INTO members (item, subject, grp, block, kind, modality, site, time, official, "  # noqa: S608
        "label, labels, cluster) SELECT id, number, number, block, kind, modality, site, time, "
        "official, label, CASE WHEN label IS NULL THEN labels END, cluster "
        f"FROM items JOIN subjects ON subjects.name = {SUBJECT} WHERE fate = 'kept' ORDER BY id"
    )
    count = catalog.one("SELECT count(*) FROM subjects")
    ties = _Ties(count)
    ties.tie_all(_pairs(catalog, "cluster", "cluster IS NOT NULL"))
    if sites:
        ties.tie_all(_pairs(catalog, "site", "site <> ''"))
    catalog.db.create_function("root_of", 1, ties.root, deterministic=True)
    catalog.execute("UPDATE members SET grp = root_of(subject) WHERE grp <> root_of(subject)")
    sizes = catalog.db.execute(
        "SELECT count(*), coalesce(sum(CASE WHEN n > 1 THEN n END), 0) FROM "
        "(SELECT count(DISTINCT subject) AS n FROM members GROUP BY grp)"
    ).fetchone()
    return Groups(subjects=count, groups=sizes[0], tied=sizes[1])


def draw(name: str, seed: int) -> str:
    """A number for the order among equals: from the name and the seed, not from the row."""
    text = f"{seed}\0{name}".encode("utf-8", "backslashreplace")
    return hashlib.sha256(text).hexdigest()[:16]


def _pairs(catalog: Catalog, column: str, where: str) -> Iterator[tuple[object, int]]:
    sql = f"SELECT DISTINCT {column}, subject FROM members WHERE {where} ORDER BY 1, 2"  # noqa: S608
    return ((row[0], row[1]) for row in catalog.rows(sql))


class _Ties:
    """Union-find over the subjects' numbers: eight bytes a subject. The root is the smallest."""

    def __init__(self, count: int) -> None:
        self._parent = array("q", range(count + 1))

    def tie_all(self, pairs: Iterable[tuple[object, int]]) -> None:
        """Tie all subjects that come with the same key; pairs are sorted by key."""
        before: tuple[object, int] | None = None
        for key, number in pairs:
            if before is not None and before[0] == key:
                self._tie(before[1], number)
            before = (key, number)

    def root(self, number: int) -> int:
        parent = self._parent
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    def _tie(self, one: int, other: int) -> None:
        a, b = sorted((self.root(one), self.root(other)))
        self._parent[b] = a
