"""Which file of the source an annotation is about, by its path or its name."""

from __future__ import annotations

from medfm_cli.commands.curate.catalog import Catalog

_NOTES = ("xml", "json", "jsonl", "ndjson", "csv", "tsv", "txt", "md", "html", "yaml", "yml", "pdf")
"""Endings of files that annotations are never about."""


class ImageFiles:
    """Finds files by name; large and small letters are the same.

    Args:
        catalog: holds the files, indexed.
        block: the number of the source.
    """

    def __init__(self, catalog: Catalog, block: int) -> None:
        self._ledger = catalog
        self._block = block
        catalog.execute(
            "CREATE TEMP TABLE IF NOT EXISTS used (number INTEGER PRIMARY KEY, role TEXT)"
        )

    def find(self, name: str) -> list[int]:
        """The files that a name means: with as many equal folders, from the last one up, as there
        are; several when it cannot tell them apart. It may have no ending, or another one.
        """
        parts = [
            p for p in name.strip().replace("\\", "/").lower().split("/") if p not in ("", ".")
        ]
        if not parts:
            return []
        last = parts[-1]
        found = self._named("last", last) or self._named("stem", last)
        found = found or self._named("stem", _stem(last))
        if len(found) < 2:
            return [number for number, _ in found]
        scores = [_common_end(parts[:-1], other.lower().split("/")[:-1]) for _, other in found]
        best = max(scores)
        return [number for (number, _), s in zip(found, scores, strict=True) if s == best]

    def called(self, name: str) -> int | None:
        """The file of exactly this path in the source."""
        last = name.rpartition("/")[2].lower()
        return next((number for number, other in self._named("last", last) if other == name), None)

    def use(self, number: int, role: str = "annotation") -> None:
        """From now on a file is an annotation itself, or belongs to another one."""
        self._ledger.execute("INSERT OR IGNORE INTO temp.used VALUES (?, ?)", number, role)

    def _named(self, column: str, value: str) -> list[tuple[int, str]]:
        sql = (
            f"SELECT number, name FROM files WHERE {column} = ? AND block = ? AND role = '' "  # noqa: S608
            "AND number NOT IN (SELECT number FROM temp.used) ORDER BY number"
        )
        rows = self._ledger.db.execute(sql, (value, self._block))
        return [(row[0], row[1]) for row in rows if _ending(row[1]) not in _NOTES]


def _ending(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[2].lower()


def _stem(name: str) -> str:
    for ending in (".nii.gz", ".tar.gz"):
        if name.endswith(ending):
            return name[: -len(ending)]
    head, dot, tail = name.rpartition(".")
    return head if dot and head and len(tail) <= 5 and not tail.isdigit() else name


def _common_end(one: list[str], other: list[str]) -> int:
    """How many folders, from the last one up, two paths share."""
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        count += 1
    return count
