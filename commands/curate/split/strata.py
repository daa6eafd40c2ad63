"""What a deal keeps in proportion: the samples as such, every label, and where they come from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from medfm_cli.commands.curate.catalog import Catalog

MOST_LABELS = 2000
"""Rarer labels than the commonest of this many count as one: texts are no classes."""
What = Literal["all", "label", "rare", "none", "unlabelled", "block", "kind"]
ORIGIN_WEIGHT = 0.5
"""How much it counts where samples come from, beside a label."""


@dataclass(frozen=True, slots=True)
class Trait:
    """Something that samples share, and what share of it each side is to get.

    `what` is `all`, `label` (with its `name`), `rare` (labels beyond the commonest), `none` (looked
    at, and none of the labels), `unlabelled`, `block` (of the source) or `kind` (of content).
    """

    what: What
    name: str
    total: int
    weight: float = 1.0
    shares: tuple[float, ...] = ()

    @property
    def is_label(self) -> bool:
        """Whether samples are stratified by it: all but where they come from."""
        return self.what not in ("all", "block", "kind")


Shares = Callable[[Sequence[Trait]], Sequence[Sequence[float]]]
"""For traits, the first being `all`, the share of each side in each of them."""


class Traits:
    """The traits of a pool of samples; the first is `all`. The state is one entry a label.

    Args:
        catalog: with `members`.
        pool: the value of `members.side` that samples of the pool have.
        shares: what each side is to get of each trait.
        skewed: whether the sides differ in what they are to get, so that only labels count on the
            way there.
    """

    def __init__(self, catalog: Catalog, pool: int, shares: Shares, *, skewed: bool) -> None:
        total = catalog.one("SELECT count(*) FROM members WHERE side = ?", pool)
        found = [Trait("all", "", total, 0.0 if skewed else 1.0), *_labels(catalog, pool)]
        found += [] if skewed else _origins(catalog, pool)
        self.traits = [
            replace(trait, shares=tuple(given))
            for trait, given in zip(found, shares(found), strict=True)
        ]
        self._index = {(t.what, t.name): i for i, t in enumerate(self.traits)}
        self.of_labels = lru_cache(maxsize=4096)(self._of_labels)

    def _of_labels(self, label: str | None, labels: str | None) -> tuple[int, ...]:
        """The numbers of the traits that a sample's labels are."""
        names = labels_of(label, labels)
        if names is None:
            return (self._index["unlabelled", ""],)
        if not names:
            return (self._index["none", ""],)
        rare = self._index.get(("rare", ""), 0)
        return tuple(self._index.get(("label", name), rare) for name in names)

    def of_origin(self, block: int, kind: str) -> list[int]:
        """The numbers of the traits of where a sample comes from."""
        both = (self._index.get(("block", str(block))), self._index.get(("kind", kind)))
        return [number for number in both if number is not None]

    def stratum(self, counts: Counter[int]) -> int:
        """The rarest label of a group; it is dealt with those who have it too."""
        labels = (i for i in counts if self.traits[i].is_label)
        return min(labels, key=lambda i: (self.traits[i].total, self.traits[i].name, i))


def labels_of(label: str | None, labels: str | None) -> list[str] | None:
    """The labels of a row: None without any, an empty list where none of several holds."""
    if label is not None:
        return [label]
    return None if labels is None else list(dict.fromkeys(json.loads(labels)))


def common_labels(catalog: Catalog) -> set[str]:
    """The commonest labels of all kept samples: as many as a report can hold."""
    sql = (
        "SELECT what FROM (SELECT label AS what FROM items WHERE fate = 'kept' "
        "AND label IS NOT NULL UNION ALL SELECT j.value FROM items, json_each(items.labels) j "
        "WHERE fate = 'kept' AND label IS NULL) GROUP BY what ORDER BY count(*) DESC, what LIMIT ?"
    )
    return {row[0] for row in catalog.rows(sql, MOST_LABELS)}


def _labels(catalog: Catalog, pool: int) -> list[Trait]:
    """One trait a label, the commonest first, and those of samples that have none."""
    sql = (
        "SELECT what, count(*) FROM ("
        "SELECT item, label AS what FROM members WHERE side = :pool AND label IS NOT NULL "
        "UNION SELECT item, j.value FROM members, json_each(members.labels) j WHERE side = :pool"
        ") GROUP BY what ORDER BY 2 DESC, 1"
    )
    found: list[Trait] = []
    rest = 0
    for name, count in catalog.db.execute(sql, {"pool": pool}):
        if len(found) < MOST_LABELS:
            found.append(Trait("label", name, count))
        else:
            rest += count
    unlabelled, negative = catalog.db.execute(
        "SELECT coalesce(sum(label IS NULL AND labels IS NULL), 0), "
        "coalesce(sum(labels = '[]'), 0) FROM members WHERE side = ?",
        (pool,),
    ).fetchone()
    others = (
        Trait("rare", "", rest),
        Trait("none", "", negative),
        Trait("unlabelled", "", unlabelled),
    )
    return found + [trait for trait in others if trait.total]


def _origins(catalog: Catalog, pool: int) -> list[Trait]:
    """Blocks of the source and kinds of content, where there are several."""
    found: list[Trait] = []
    columns: tuple[What, What] = ("block", "kind")
    for what in columns:
        sql = f"SELECT {what}, count(*) FROM members WHERE side = ? GROUP BY 1 ORDER BY 1"  # noqa: S608
        rows = [
            Trait(what, str(name), count, ORIGIN_WEIGHT)
            for name, count in catalog.db.execute(sql, (pool,))
        ]
        found += rows if len(rows) > 1 else []
    return found
