"""The source's own split: whether it is there, whether it can be trusted, and taking it over."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.options.split import Folds, Split
from medfm_cli.commands.curate.tables.columns import split_name
from medfm_cli.errors import DataError

FREE, TRAIN, VAL, TEST = range(4)
"""Values of `members.side`. A group that is in several splits goes to the last of them."""
SIDE = {"train": TRAIN, "val": VAL, "test": TEST}
MOST_VALUES = 1000
"""A column with more values than this is no split."""
MOST_MOVED = 0.05
"""With `auto`, near duplicates may move this share of the samples; beyond, all
groups are assigned by the recipe's shares."""


@dataclass
class Official:
    """What became of the official split.

    Attributes:
        blocks: numbers of the source blocks whose split was taken over.
        why: in words.
        crossing: subjects that it has in two splits.
        moved: samples that went to another side with their near duplicates.
        unassigned: samples of those blocks that it does not mention; they went to train.
        missing: a side that it lacks.
    """

    blocks: list[int] = field(default_factory=list)
    why: str = ""
    crossing: int = 0
    moved: int = 0
    unassigned: int = 0
    missing: set[str] = field(default_factory=set)


def take_official(catalog: Catalog, split: Split) -> Official:
    """Set `members.side` from the source's own split, block by block, where it is fit to be used.

    `auto` and a named column keep groups whole; only `keep` takes the split as it is. With `auto`,
    a split that has a subject in two splits is not used at all.

    Raises:
        DataError: the column with the split has too many values to be one.
    """
    if split.official == "none" or split.by != "subject":
        return Official()
    counts = _sides_of_values(catalog, split)
    done = Official()
    reasons: dict[int, str] = {}
    for block, present in counts.items():
        unassigned = present[FREE]
        if set(present) <= {FREE}:
            continue
        sides = len(set(present) - {FREE})
        if not present[TRAIN] or sides < 2 or unassigned > present.total() / 2:
            reasons[block] = "the source's own split is incomplete"
        elif (torn := _torn(catalog, block)) and split.official == "auto":
            done.crossing += torn
            reasons[block] = f"the source's own split has {torn} subjects in two splits"
        else:
            done.crossing += torn
            done.blocks.append(block)
            done.unassigned += unassigned
    _forget(catalog, list(reasons))
    if done.blocks and split.official != "keep":
        _keep_whole(catalog, done, reasons, limit=split.official == "auto")
    present = Counter[int]()
    for block in done.blocks:
        present += counts[block]
        catalog.execute("UPDATE members SET side = ? WHERE side = 0 AND block = ?", TRAIN, block)
    if done.blocks:
        done.missing = {s for s in ("val", "test") if not present[SIDE[s]] and s in split.shares()}
    done.why = _words(done, reasons)
    return done


def _sides_of_values(catalog: Catalog, split: Split) -> dict[int, Counter[int]]:
    """Translate the values into sides; how many samples of each block are on which."""
    catalog.db.executescript(
        "DROP TABLE IF EXISTS temp.folds; CREATE TEMP TABLE folds (value TEXT PRIMARY KEY, side);"
    )
    counts: defaultdict[int, Counter[int]] = defaultdict(Counter)
    sides: dict[str, int] = {}
    sql = "SELECT block, official, count(*) FROM members GROUP BY block, official"
    for block, value, count in catalog.rows(sql):
        side = _side(value, split)
        counts[block][side] += count
        sides[value] = side
        if len(sides) > MOST_VALUES:
            raise DataError(
                f"the column with the split has more than {MOST_VALUES} values",
                hint="name the right one with split.official, or say split.official=none",
            )
    catalog.many("INSERT INTO folds VALUES (?, ?)", sides.items())
    catalog.execute("UPDATE members SET side = (SELECT side FROM folds WHERE value = official)")
    return dict(counts)


def _side(value: str, split: Split) -> int:
    name = split_name(value)
    if not name and isinstance(split.official, Folds):
        name = split.official.side(value)
    return SIDE.get(name, FREE)


def _torn(catalog: Catalog, block: int) -> int:
    """Subjects of a block in two splits."""
    count: int = catalog.one(
        "SELECT count(*) FROM (SELECT subject FROM members WHERE side > 0 AND block = ? "
        "GROUP BY subject HAVING min(side) < max(side))",
        block,
    )
    return count


def _forget(catalog: Catalog, blocks: list[int]) -> None:
    catalog.many("UPDATE members SET side = 0 WHERE block = ?", ((block,) for block in blocks))


def _keep_whole(catalog: Catalog, done: Official, reasons: dict[int, str], *, limit: bool) -> None:
    """Bring every group to one side: the last that it is on, test before val before train."""
    catalog.db.executescript(
        """
        DROP TABLE IF EXISTS temp.whole;
        CREATE TEMP TABLE whole (grp INTEGER PRIMARY KEY, side INTEGER, moved INTEGER);
        INSERT INTO whole SELECT grp, max(side), 0 FROM members
          GROUP BY grp HAVING max(side) > 0 AND min(side) < max(side);
        UPDATE whole SET moved = (SELECT count(*) FROM members
          WHERE members.grp = whole.grp AND members.side BETWEEN 1 AND whole.side - 1);
        """
    )
    moved = catalog.one("SELECT coalesce(sum(moved), 0) FROM whole")
    fixed = catalog.one("SELECT count(*) FROM members WHERE side > 0")
    if limit and moved > MOST_MOVED * fixed:
        for block in done.blocks:
            reasons[block] = f"near duplicates of {moved} samples cross the source's own split"
        _forget(catalog, done.blocks)
        done.blocks, done.unassigned = [], 0
        return
    done.moved = moved
    catalog.execute(
        "UPDATE members SET side = (SELECT side FROM whole WHERE whole.grp = members.grp) "
        "WHERE grp IN (SELECT grp FROM whole)"
    )


def _words(done: Official, reasons: dict[int, str]) -> str:
    remarks = ["the source's own split"] if done.blocks else []
    if done.moved:
        remarks.append(f"{done.moved} samples moved to the side of their near duplicates")
    if done.missing:
        missing = " and ".join(sorted(done.missing))
        remarks.append(f"{missing}, which it lacks, is taken out of train")
    for reason in dict.fromkeys(reasons.values()):
        remarks.append(f"{reason}: subjects are assigned by the recipe's shares")
    return "; ".join(remarks)
