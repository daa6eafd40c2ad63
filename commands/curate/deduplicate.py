"""The same content is one sample, however often and in whatever encoding it comes.

Kept is the copy of which most is known; what its copies know is added to it. Two patients with the
same pixels are one person, or mixed up: they are tied together, so that no split tears them apart.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from medfm_cli.commands.curate.columns import split_name
from medfm_cli.commands.curate.ledger import Ledger

MOST_TIED = 5
"""Pixels of more patients than this are a logo or a test card, and tie nobody together."""
_PREFERRED = {"test": 0, "val": 1, "train": 2, "": 3}
"""A copy in the official test split stays there and leaves the training split."""
_MERGED = ("study", "site", "modality", "anatomy", "time", "sex", "text", "turns", "boxes")


@dataclass
class Unique:
    """What is left.

    Attributes:
        tied: groups of patients that share pixels, each now one subject.
        shared_widely: pictures of so many patients that they tie nobody.
        contradicted: pictures whose copies have different labels; they have none now.
        crossed: pictures with copies on several sides of the official split.
    """

    tied: int = 0
    shared_widely: int = 0
    contradicted: int = 0
    crossed: int = 0


def deduplicate(ledger: Ledger) -> Unique:
    """Keep one item of every content; the others become duplicates of it."""
    done = Unique()
    ties = _Ties()
    ledger.execute(
        "CREATE TEMP TABLE repeated AS SELECT content_sha FROM items WHERE fate = 'kept' "
        "GROUP BY content_sha HAVING count(*) > 1"
    )
    ledger.execute("SAVEPOINT deduplicating")
    for (sha,) in ledger.rows("SELECT content_sha FROM repeated ORDER BY content_sha"):
        group = list(
            ledger.db.execute(
                "SELECT * FROM items WHERE content_sha = ? AND fate = 'kept' ORDER BY id", (sha,)
            )
        )
        group.sort(key=_rank)
        _merge(ledger, done, group[0], group[1:], ties)
    ledger.many("UPDATE items SET subject = ? WHERE subject = ?", ties.names())
    ledger.execute("RELEASE deduplicating")
    ledger.execute("DROP TABLE repeated")
    done.tied = ties.patients()
    return done


def _rank(row: sqlite3.Row) -> tuple[int, bool, bool, int]:
    labelled = row["label"] is not None or row["labels"] is not None
    return (_PREFERRED[split_name(row["official"])], not labelled, not row["known"], row["id"])


def _merge(
    ledger: Ledger, done: Unique, best: sqlite3.Row, copies: Sequence[sqlite3.Row], ties: _Ties
) -> None:
    """Note the copies of an item, and give it what they know and it does not."""
    everyone = [best, *copies]
    for copy in copies:
        exact = copy["file_sha"] == best["file_sha"] and copy["file"] != best["file"]
        exact = exact and not copy["part"]
        ledger.execute(
            "UPDATE items SET fate = 'duplicate', step = 'duplicates', reason = ?, twin = ?, "
            "exact = ? WHERE id = ?",
            *("the same file" if exact else "the same pixels", best["id"], exact, copy["id"]),
        )
    patients = {row["subject"] for row in everyone if row["known"]}
    if len(patients) > MOST_TIED:
        done.shared_widely += 1
    else:
        ties.tie({row["subject"]: bool(row["known"]) for row in everyone})
    known = {name: best[name] for name in (*_MERGED, "subject", "known", "label", "labels", "age")}
    if not best["known"] and patients:
        known["subject"] = next(row["subject"] for row in copies if row["known"])
        known["known"] = 1
    labels = {(row["label"], row["labels"]) for row in everyone if _labelled(row)}
    if len(labels) > 1:
        known["label"] = known["labels"] = None
        done.contradicted += 1
    elif labels:
        ((known["label"], known["labels"]),) = labels
    for name in (*_MERGED, "age"):
        if known[name] in ("", None, "[]"):
            known[name] = next(
                (row[name] for row in copies if row[name] not in ("", None, "[]")), known[name]
            )
    done.crossed += len({split_name(row["official"]) for row in everyone} - {""}) > 1
    columns = ", ".join(f"{name} = ?" for name in known)
    ledger.execute(f"UPDATE items SET {columns} WHERE id = ?", *known.values(), best["id"])  # noqa: S608


def _labelled(row: sqlite3.Row) -> bool:
    return row["label"] is not None or row["labels"] is not None


class _Ties:
    """Subjects that are one (union-find); only those that are tied to others are held."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._known: dict[str, bool] = {}

    def tie(self, subjects: dict[str, bool]) -> None:
        """Tie subjects, each given with whether it is a patient."""
        if len(subjects) < 2:
            return
        for subject, known in subjects.items():
            self._known[subject] = self._known.get(subject, False) or known
        first, *others = sorted(subjects)
        for other in others:
            a, b = sorted((self._root(first), self._root(other)))
            if a != b:
                self._parent[b] = a

    def patients(self) -> int:
        """How many groups hold several patients."""
        return sum(sum(self._known[s] for s in group) > 1 for group in self._members())

    def names(self) -> Iterable[tuple[str, str]]:
        """The new and the old name of each tied subject: that of the first patient of its group."""
        for group in self._members():
            chosen = min(group, key=lambda subject: (not self._known[subject], subject))
            yield from ((chosen, subject) for subject in group if subject != chosen)

    def _root(self, subject: str) -> str:
        self._parent.setdefault(subject, subject)
        while self._parent[subject] != subject:
            self._parent[subject] = self._parent[self._parent[subject]]
            subject = self._parent[subject]
        return subject

    def _members(self) -> list[list[str]]:
        members: defaultdict[str, list[str]] = defaultdict(list)
        for subject in self._parent:
            members[self._root(subject)].append(subject)
        return [sorted(group) for group in members.values() if len(group) > 1]
