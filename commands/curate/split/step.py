"""Split: every subject, and all that its near duplicates tie to it, goes to one side.

By the source's own split where it is fit to be used, by time, or assigned by the recipe's shares so
that every label comes near them (`dealing`). Streams over the catalog.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.options.split import SIDES, Split
from medfm_cli.commands.curate.split.by_time import assign_by_time
from medfm_cli.commands.curate.split.clients import partition
from medfm_cli.commands.curate.split.groups import Groups, form_groups
from medfm_cli.commands.curate.split.official import FREE, SIDE, TRAIN, take_official
from medfm_cli.commands.curate.split.strata import common_labels, labels_of
from medfm_cli.commands.curate.split.stratified import assign, fixed
from medfm_cli.errors import DataError
from medfm_cli.runs.blocks import Table

__all__ = ["SplitResult", "partition", "split"]

PRIORITY = ("train", "test", "val")
"""Which side a label with few subjects must not lack, in this order."""
FAR = 0.02
"""A share that is farther from the configured one is reported."""


@dataclass
class SplitResult:
    """How the split came about.

    Attributes:
        why: in words.
        by: subject, site or time.
        official: whether all or a part of it is the source's own.
        groups: subjects, and those that stay with others.
        crossing: subjects in more than one part of the official split.
        torn: groups in two splits now, which only an official split that is kept brings about.
        moved: samples that left the side of the official split to stay with near duplicates.
        unassigned: samples that the official split does not mention; they went to train.
        undated: samples without a time, where time decides.
        shares: side → configured share.
        sides: side → samples.
        labels: label → side → samples; the commonest labels.
        unlabelled: side → samples without a label.
    """

    why: str = ""
    by: str = "subject"
    official: bool = False
    groups: Groups = field(default_factory=lambda: Groups(0, 0, 0))
    crossing: int = 0
    torn: int = 0
    moved: int = 0
    unassigned: int = 0
    undated: int = 0
    shares: dict[str, float] = field(default_factory=dict)
    sides: Counter[str] = field(default_factory=Counter)
    labels: dict[str, Counter[str]] = field(default_factory=dict)
    unlabelled: Counter[str] = field(default_factory=Counter)

    def tables(self) -> list[Table]:
        """Samples and shares a side: of every label, of those without one, and of all."""
        rows = [_row(name, counts) for name, counts in self.labels.items()]
        if self.unlabelled:
            rows.append(_row("no label", self.unlabelled))
        rows.append(_row("all", self.sides))
        columns = ["Label", "Samples"] + [f"{side}{of}" for side in SIDES for of in ("", " %")]
        return [Table(columns, rows, f"The split: {self.why}.", strong=[len(rows) - 1])]

    def remarks(self) -> list[str]:
        """What a careful reader should know, one sentence each."""
        counted = [
            (
                self.crossing,
                f"{self.crossing} subjects are in more than one part of the official split.",
            ),
            (self.torn, f"{self.torn} groups of subjects or near duplicates are torn by it."),
            (
                self.moved,
                f"{self.moved} samples left the official split's side for that of their "
                "near duplicates.",
            ),
            (
                self.unassigned,
                f"{self.unassigned} samples are in no part of the official split and "
                "went to train.",
            ),
            (
                self.undated,
                f"{self.undated} samples have no time; a subject without any is used for training.",
            ),
        ]
        remarks = [text for count, text in counted if count]
        if not self.official:
            remarks += self._far()
        return remarks

    def notes(self) -> list[str]:
        """What a reader may want to know, one sentence each; none of it is amiss."""
        if not self.groups.tied:
            return []
        why = "by site or near duplicates" if self.by == "site" else "by near duplicates"
        return [f"{self.groups.tied} subjects stay with others, {why}."]

    def _far(self) -> list[str]:
        total = self.sides.total()
        off = {
            side: self.sides[side] / total
            for side, share in self.shares.items()
            if total and abs(self.sides[side] / total - share) > FAR
        }
        if not off:
            return []
        found = ", ".join(
            f"{side} has {got:.1%} instead of {self.shares[side]:.1%}" for side, got in off.items()
        )
        return [f"{found}: with {self.groups.groups} groups it does not come out nearer."]


def split(catalog: Catalog, options: Split, *, seed: int, shifted: bool = False) -> SplitResult:
    """Set `items.split` of every kept sample.

    Args:
        catalog: described and deduplicated; `official` holds the source's own words.
        options: how to split.
        seed: of the order in which groups are dealt.
        shifted: whether times were shifted for every subject by its own amount, so that they have
            no order between subjects.

    Raises:
        DataError: the split is to be by time and there is none, or the official column is no split.
    """
    if options.by == "time" and shifted:
        raise DataError(
            "the split is to be by time, but times are shifted, for every subject otherwise",
            hint="say deidentify.dates=keep where that is allowed, or split by subject",
        )
    groups = form_groups(catalog, sites=options.by == "site")
    dealt = SplitResult(by=options.by, groups=groups, shares=options.shares())
    official = take_official(catalog, options)
    dealt.official = bool(official.blocks)
    dealt.crossing, dealt.moved = official.crossing, official.moved
    dealt.unassigned = official.unassigned
    dealt.why = official.why
    if options.by == "time":
        order = list(dealt.shares)
        sides, dealt.undated = assign_by_time(catalog, list(dealt.shares.values()), seed=seed)
        _put(catalog, sides, order, pool=FREE)
    elif catalog.one("SELECT count(*) FROM members WHERE side = 0"):
        _assign_pool(catalog, dealt.shares, seed=seed, pool=FREE)
    for side in sorted(official.missing):
        _carve(catalog, dealt.shares, side, seed=seed)
    if not dealt.why:
        dealt.why = {
            "subject": "subjects assigned by the recipe's shares",
            "site": "whole sites assigned by the recipe's shares",
            "time": "subjects in the order of their last time",
        }[options.by]
    _write(catalog)
    _count(catalog, dealt)
    return dealt


def _assign_pool(catalog: Catalog, shares: Mapping[str, float], *, seed: int, pool: int) -> None:
    order = [side for side in PRIORITY if side in shares]
    sides = assign(catalog, fixed(shares[side] for side in order), seed=seed, pool=pool)
    _put(catalog, sides, order, pool=pool)


def _put(catalog: Catalog, sides: array[int], order: list[str], *, pool: int) -> None:
    """Write the sides of the groups of a pool into `members`."""
    codes = [SIDE[name] for name in order]
    catalog.db.create_function("side_of", 1, lambda group: codes[sides[group]], deterministic=True)
    catalog.execute("UPDATE members SET side = side_of(grp) WHERE side = ?", pool)


def _carve(catalog: Catalog, shares: Mapping[str, float], side: str, *, seed: int) -> None:
    """Take a side that the official split lacks out of train, from groups that are all in train."""
    elsewhere = -1  # out of the pool for a while
    catalog.execute(
        "UPDATE members SET side = ? WHERE side = ? AND grp IN "
        "(SELECT grp FROM members GROUP BY grp HAVING max(side) > ?)",
        elsewhere,
        TRAIN,
        TRAIN,
    )
    both = shares["train"] + shares[side]
    parts = {"train": shares["train"] / both, side: shares[side] / both}
    _assign_pool(catalog, parts, seed=seed, pool=TRAIN)
    catalog.execute("UPDATE members SET side = ? WHERE side = ?", TRAIN, elsewhere)


def _write(catalog: Catalog) -> None:
    names = {code: name for name, code in SIDE.items()}
    catalog.db.create_function("name_of", 1, names.__getitem__, deterministic=True)
    catalog.execute(
        "UPDATE items SET split = (SELECT name_of(side) FROM members WHERE item = id) "
        "WHERE fate = 'kept'"
    )


def _count(catalog: Catalog, dealt: SplitResult) -> None:
    """Count samples by label and side, for the report."""
    names = {code: name for name, code in SIDE.items()}
    dealt.torn = catalog.one(
        "SELECT count(*) FROM (SELECT grp FROM members GROUP BY grp HAVING min(side) < max(side))"
    )
    counts: dict[str, Counter[str]] = {}
    common = common_labels(catalog)
    sql = "SELECT label, labels, side, count(*) FROM members GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    for label, labels, code, count in catalog.rows(sql):
        side = names[code]
        dealt.sides[side] += count
        found = labels_of(label, labels)
        if not found:
            dealt.unlabelled[side] += count
        for name in found or ():
            if name in common:
                counts.setdefault(name, Counter())[side] += count
    dealt.labels = dict(sorted(counts.items(), key=lambda item: (-item[1].total(), item[0])))


def _row(name: str, counts: Counter[str]) -> list[str | int | float | None]:
    total = counts.total()
    row: list[str | int | float | None] = [name, total]
    for side in SIDES:
        row += [counts[side], f"{100 * counts[side] / total:.1f}" if total else None]
    return row
