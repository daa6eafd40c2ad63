"""The difference of two data sets, in numbers and in examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from medfm_cli.commands.curate.diff.scratch import HASHED, DiffTables, opened
from medfm_cli.data.card import DatasetCard

LISTED = 1000
"""Names of a change that are listed at most; all are counted."""
COUNTED = {"counts", "shards", "manifest_sha256", "files", "checksum"}
"""What a card says of things that are compared themselves, or that are not content."""
_BOTH = "FROM old o JOIN new n ON n.id = o.id"


@dataclass(frozen=True)
class Changed:
    """One kind of change: how often, and the first names that it holds for."""

    count: int = 0
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Move:
    """Samples or subjects that went from one value to another; None is no value."""

    old: str | None
    new: str | None
    count: int


@dataclass(frozen=True)
class Left:
    """How many rows of the quarantine a step has in the old and in the new data set."""

    step: str
    old: int
    new: int


@dataclass(frozen=True)
class Field:
    """A field of the card that differs."""

    name: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Difference:
    """What changed from one data set to another.

    Attributes:
        samples, subjects: how many there are, `{"old": n, "new": n}`.
        removed_by: removed samples by the step that now refuses their file; `""`: it is gone.
        sample_splits, subject_splits: what went from one split to another.
        labels: samples that were relabelled.
        values: samples of both by the column in which they differ.
        other_names: every subject has another pseudonym: another key was used.
    """

    samples: dict[str, int]
    added: Changed
    removed: Changed
    removed_by: dict[str, int]
    subjects: dict[str, int]
    subjects_added: Changed
    subjects_removed: Changed
    sample_splits: list[Move]
    subject_splits: list[Move]
    labels: list[Move]
    values: dict[str, int]
    quarantine: list[Left]
    quarantine_added: int
    quarantine_removed: int
    card: list[Field]
    other_names: bool

    @property
    def identical(self) -> bool:
        """Whether nothing at all changed: neither samples, nor the quarantine, nor the card."""
        counts = (self.added.count, self.removed.count, self.quarantine_added)
        changed = self.labels or self.sample_splits or self.values or self.card
        return not any(counts) and not changed and not self.quarantine_removed

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"identical": self.identical}


def compare(old: str, new: str) -> Difference:
    """Compare two data sets: folders, or the run directories that wrote them.

    Raises:
        DataError: one is not there, damaged, or of another format.
    """
    with opened(old, new) as (tables, old_card, new_card):
        return _difference(tables, old_card, new_card)


def _difference(tables: DiffTables, old_card: DatasetCard, new_card: DatasetCard) -> Difference:
    subjects = {side: _count(tables, f"SELECT DISTINCT subject FROM {side}") for side in _SIDES}
    shared = _count(tables, f"SELECT 1 {_BOTH}")
    same_names = _count(tables, "SELECT 1 FROM old WHERE subject IN (SELECT subject FROM new)")
    return Difference(
        samples={side: _count(tables, f"SELECT 1 FROM {side}") for side in _SIDES},
        added=_missing(tables, "id", "new", "old"),
        removed=_missing(tables, "id", "old", "new"),
        removed_by=_removed_by(tables),
        subjects=subjects,
        subjects_added=_missing(tables, "subject", "new", "old"),
        subjects_removed=_missing(tables, "subject", "old", "new"),
        sample_splits=list(_moves(tables, "split")),
        subject_splits=list(_subject_moves(tables)),
        labels=list(_moves(tables, "label")),
        values=_values(tables),
        quarantine=_steps(tables),
        quarantine_added=_only_in(tables, "new_left", "old_left"),
        quarantine_removed=_only_in(tables, "old_left", "new_left"),
        card=list(_fields(old_card, new_card)),
        other_names=shared > 0 and same_names == 0,
    )


_SIDES = ("old", "new")


def _count(tables: DiffTables, query: str) -> int:
    return int(tables.one(f"SELECT count(*) FROM ({query})"))


def _missing(tables: DiffTables, column: str, here: str, there: str) -> Changed:
    """What is in one data set and not in the other."""
    query = (
        f"SELECT DISTINCT {column} FROM {here} WHERE {column} NOT IN (SELECT {column} FROM {there})"
    )
    names = [row[0] for row in tables.rows(f"{query} ORDER BY 1 LIMIT {LISTED}")]
    return Changed(_count(tables, query), names)


def _removed_by(tables: DiffTables) -> dict[str, int]:
    rows = tables.rows(
        "SELECT coalesce((SELECT l.step FROM new_left l WHERE l.sha = o.sha AND l.sha != '' "
        "ORDER BY l.step LIMIT 1), '') AS step, count(*) "
        "FROM old o WHERE o.id NOT IN (SELECT id FROM new) GROUP BY step ORDER BY step"
    )
    return dict(rows)


def _moves(tables: DiffTables, column: str) -> Iterator[Move]:
    rows = tables.rows(
        f"SELECT o.{column}, n.{column}, count(*) {_BOTH} WHERE o.{column} IS NOT n.{column} "
        "GROUP BY 1, 2 ORDER BY 1, 2"
    )
    return (Move(*row) for row in rows)


def _subject_moves(tables: DiffTables) -> Iterator[Move]:
    """Subjects by the splits they are in (one, unless a split of the source tore them apart)."""
    splits = (
        "(SELECT subject, group_concat(split, '+') AS split FROM "
        "(SELECT DISTINCT subject, split FROM {} ORDER BY subject, split) GROUP BY subject)"
    )
    rows = tables.rows(
        f"SELECT o.split, n.split, count(*) FROM {splits.format('old')} o "
        f"JOIN {splits.format('new')} n ON n.subject = o.subject WHERE o.split != n.split "
        "GROUP BY 1, 2 ORDER BY 1, 2"
    )
    return (Move(*row) for row in rows)


def _values(tables: DiffTables) -> dict[str, int]:
    names = ("subject", *HASHED)
    sums = ", ".join(f"total(o.{name} IS NOT n.{name})" for name in names)
    counts = next(tables.rows(f"SELECT {sums} {_BOTH}"))
    shown = {"subject": "subject_id"}
    pairs = zip(names, counts, strict=True)
    return {shown.get(name, name): int(count) for name, count in pairs if count}


def _steps(tables: DiffTables) -> list[Left]:
    rows = tables.rows(
        "SELECT step, total(old), total(new) FROM ("
        "SELECT step, 1 AS old, 0 AS new FROM old_left UNION ALL "
        "SELECT step, 0, 1 FROM new_left) GROUP BY step ORDER BY step"
    )
    return [Left(step, int(old), int(new)) for step, old, new in rows]


def _only_in(tables: DiffTables, here: str, there: str) -> int:
    """Rows of a quarantine that the other does not have, counted as often as they occur."""
    columns = "source, sha, frame, step, reason"
    numbered = f"SELECT {columns}, row_number() OVER (PARTITION BY {columns}) FROM {{}}"
    return _count(tables, f"{numbered.format(here)} EXCEPT {numbered.format(there)}")


def _fields(old: DatasetCard, new: DatasetCard) -> Iterator[Field]:
    """The fields of the card that differ and are not counted above."""
    before, after = (
        dict(_flat(card.model_dump(mode="json", exclude=COUNTED))) for card in (old, new)
    )
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield Field(name, before.get(name), after.get(name))


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
