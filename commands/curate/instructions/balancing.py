"""Questions whether a label holds: every answer is right, and yes is as common as no.

The samples of one stratum stand in a row, in an order by seed. Every label gets as many questions
about samples that have it as about samples that do not; the latter are chosen from where the last
label stopped, round and round, so that no sample gets many more questions than another. All of it
happens in the catalog: memory does not grow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from medfm_cli.commands.curate.catalog import Catalog

MOST_LABELS_ASKED = 2000
"""Questions are about this many labels of a stratum at most, the commonest ones."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Questions about one label in one stratum: `each` with yes, and as many with no."""

    what: str
    block: int
    split: str
    each: int


def open_row(catalog: Catalog) -> None:
    """Make the empty tables: `row` (who stands where), `has` and `lacks` (what is true of them).

    `row` is to be filled stratum by stratum; its `pos` then counts from 1 without gaps.
    """
    catalog.db.executescript(
        """
        DROP TABLE IF EXISTS temp.row; DROP TABLE IF EXISTS temp.has;
        DROP TABLE IF EXISTS temp.lacks;
        CREATE TEMP TABLE row (pos INTEGER PRIMARY KEY, item INTEGER, block INTEGER, split TEXT);
        CREATE TEMP TABLE has (what TEXT, pos INTEGER, PRIMARY KEY (what, pos)) WITHOUT ROWID;
        CREATE TEMP TABLE lacks (what TEXT, pos INTEGER, PRIMARY KEY (what, pos)) WITHOUT ROWID;
        CREATE TEMP TABLE IF NOT EXISTS questions
          (item INTEGER, task TEXT, what TEXT, answer INTEGER);
        """
    )


def balance(
    catalog: Catalog,
    task: str,
    *,
    limit: int | None = None,
    alike: Mapping[str, Iterable[str]] | None = None,
    partial: bool = False,
) -> list[Balance]:
    """Write rows of `questions`: sample, task, label, and the answer (1 is yes, 0 is no).

    Args:
        catalog: with `row`, `has` and, if `partial`, `lacks`.
        task: what the questions are called in `questions`.
        limit: most yes of one thing in one stratum.
        alike: label → other labels; a sample with one of them gets no question about it with a no.
        partial: only those answer no of whom `lacks` says so.
    """
    balances: list[Balance] = []
    strata = catalog.db.execute(
        "SELECT block, split, min(pos), max(pos) FROM row GROUP BY block, split ORDER BY 3"
    ).fetchall()
    for block, split, first, last in strata:
        start = first
        counts = catalog.db.execute(
            "SELECT what, count(*) FROM has WHERE pos BETWEEN ? AND ? GROUP BY what "
            "ORDER BY 2 DESC, 1 LIMIT ?",
            (first, last, MOST_LABELS_ASKED),
        ).fetchall()
        for what, yes in sorted(tuple(row) for row in counts):
            barred = [what, *((alike or {}).get(what, ()))]
            maker = _QuestionMaker(catalog, task, what, barred, partial=partial)
            each = min(yes, maker.count_without(first, last), limit or yes)
            if each:
                maker.add_yes(first, last, each)
                start = maker.add_no(first, last, start, each)
            balances.append(Balance(what, block, split, each))
    return balances


class _QuestionMaker:
    """Makes the questions about one label."""

    def __init__(
        self, catalog: Catalog, task: str, what: str, barred: list[str], *, partial: bool
    ) -> None:
        self.catalog, self.task, self.what = catalog, task, what
        marks = ", ".join("?" * len(barred))
        self.fits = f"NOT EXISTS (SELECT 1 FROM has WHERE what IN ({marks}) AND has.pos = row.pos)"  # noqa: S608
        self.args = list(barred)
        if partial:
            self.fits += " AND EXISTS (SELECT 1 FROM lacks WHERE what = ? AND lacks.pos = row.pos)"
            self.args.append(what)

    def count_without(self, first: int, last: int) -> int:
        """How many of a stratum do not have it."""
        sql = f"SELECT count(*) FROM row WHERE pos BETWEEN ? AND ? AND {self.fits}"  # noqa: S608
        count: int = self.catalog.one(sql, first, last, *self.args)
        return count

    def add_yes(self, first: int, last: int, count: int) -> None:
        """Add questions to the first samples that have it."""
        self.catalog.execute(
            "INSERT INTO questions SELECT item, ?, what, 1 FROM has JOIN row USING (pos) "
            "WHERE what = ? AND pos BETWEEN ? AND ? ORDER BY pos LIMIT ?",
            *(self.task, self.what, first, last, count),
        )

    def add_no(self, first: int, last: int, start: int, count: int) -> int:
        """Add questions to samples without it, from `start` on; gives the next start."""
        for one, other in ((start, last), (first, start - 1)):
            found = self.catalog.one(
                f"SELECT count(*) FROM (SELECT 1 FROM row WHERE pos BETWEEN ? AND ? "  # noqa: S608
                f"AND {self.fits} LIMIT ?)",
                *(one, other, *self.args, count),
            )
            self.catalog.execute(
                f"INSERT INTO questions SELECT item, ?, ?, 0 FROM row WHERE pos BETWEEN ? AND ? "  # noqa: S608
                f"AND {self.fits} ORDER BY pos LIMIT ?",
                *(self.task, self.what, one, other, *self.args, count),
            )
            count -= found
            if not count:
                place = self.catalog.one(
                    f"SELECT pos FROM row WHERE pos BETWEEN ? AND ? AND {self.fits} "  # noqa: S608
                    "ORDER BY pos LIMIT 1 OFFSET ?",
                    *(one, other, *self.args, found - 1),
                )
                return first if place >= last else place + 1
        raise AssertionError("the questions are as many as were counted")  # pragma: no cover
