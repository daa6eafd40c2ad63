"""Where everything went: what was read is kept, a duplicate, or in the quarantine."""

from __future__ import annotations

import re
from collections import Counter

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.errors import DataError, EnvironmentProblem, MedfmError
from medfm_cli.readers.optional import NEEDS

_ROW = re.compile(r"^(row|line|record) \d+( \(line \d+\))?: ")
"""Which row of a table it was is in the quarantine; reasons are counted without it."""


class CurationCounts:
    """The counts of a run, read from its catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def check(self) -> None:
        """Make sure that nothing was lost.

        Raises:
            RuntimeError: the numbers do not add up, which would be a bug.
        """
        counts = self.counts()
        left = counts["kept"] + counts["duplicates"] + counts["quarantined"]
        if counts["read"] != left:
            raise RuntimeError(
                f"{counts['read']} read ≠ {counts['kept']} kept + {counts['duplicates']} "
                f"duplicates + {counts['quarantined']} quarantined"
            )
        unread = self.catalog.one(
            "SELECT count(*) FROM entries WHERE number NOT IN (SELECT entry FROM items) "
            "AND number NOT IN (SELECT entry FROM refused)"
        )
        if unread:
            raise RuntimeError(f"{unread} files gave neither a sample nor a reason why not")

    def counts(self) -> dict[str, int]:
        """The numbers that scripts read; `read` is the sum of the three after it."""
        fates = self.fates()
        one = self.catalog.one
        refused = one("SELECT count(*) FROM refused")
        kept = "FROM items WHERE fate = 'kept'"
        return {
            "files": one("SELECT count(DISTINCT file) FROM entries"),
            "read": sum(fates.values()) + refused,
            "kept": fates["kept"],
            "duplicates": fates["duplicate"],
            "quarantined": fates["dropped"] + refused,
            "companions": one("SELECT count(*) FROM files WHERE role NOT IN ('', 'table')"),
            "not_opened": one("SELECT count(*) FROM left_out"),
            "subjects": one(f"SELECT count(DISTINCT subject) {kept}"),
            "patients": one(f"SELECT count(DISTINCT subject) {kept} AND known"),
            "labelled": one(
                f"SELECT count(*) {kept} AND (label IS NOT NULL OR labels IS NOT NULL)"
            ),
        }

    def fates(self) -> Counter[str]:
        """How many items were kept, are duplicates, or were dropped."""
        rows = self.catalog.rows("SELECT fate, count(*) FROM items GROUP BY fate")
        return Counter(dict(tuple(row) for row in rows))

    def reasons(self) -> Counter[tuple[str, str]]:
        """How often something was quarantined, by step and reason."""
        reasons: Counter[tuple[str, str]] = Counter()
        for table, where in (("refused", ""), ("items", "WHERE fate = 'dropped'")):
            sql = f"SELECT step, reason, count(*) FROM {table} {where} GROUP BY step, reason"  # noqa: S608
            for step, reason, count in self.catalog.rows(sql):
                reasons[step, _ROW.sub("", reason)] += count
        return Counter(dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))))

    def worst_reasons(self) -> str:
        """The commonest reasons in one line."""
        common = self.reasons().most_common(3)
        return "; ".join(f"{count} × {reason}" for (_, reason), count in common)

    def nothing_kept(self, source: str) -> MedfmError:
        """The error for a source of which nothing is left."""
        files = self.counts()["files"]
        text = f"none of the {files} files in '{source}' gives a sample: {self.worst_reasons()}"
        ((_, worst), _), *_ = self.reasons().most_common(1) or [(("", ""), 0)]
        if worst.startswith(NEEDS):
            return EnvironmentProblem(text, hint=worst.removeprefix(NEEDS))
        return DataError(
            text, hint="check the source; 'medfm curate … --dry-run' shows what would be read"
        )

    @property
    def absent(self) -> int:
        """How many files tables and annotations name that are not there, and broken rows."""
        sql = "SELECT count(*) FROM (SELECT DISTINCT block, name, reason FROM absent)"
        return int(self.catalog.one(sql))
