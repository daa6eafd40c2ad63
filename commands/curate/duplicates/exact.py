"""The same content is one sample, however often and in whatever encoding it comes.

Kept is the copy of which most is known; what its copies know is added to it. Two patients with the
same pixels are one person, or mixed up: they are tied together, so that no split tears them apart.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.duplicates.linked_subjects import LinkedSubjects
from medfm_cli.commands.curate.tables.columns import split_name
from medfm_cli.samples.attributes import predicted_attributes, table_attributes

MOST_TIED = 5
"""Pixels of more patients than this are a logo or a test card, and tie nobody together."""
_PREFERRED = {"test": 0, "val": 1, "train": 2, "": 3}
"""A copy in the official test split stays there and leaves the training split."""
_MERGED = (
    *("study", "site", "modality", "anatomy", "time", "sex", "age", "text"),
    *(item.name for item in table_attributes()),
)
_SAME = {"image": "pixels", "volume": "voxels", "video": "frames", "text": "words"}


@dataclass
class Merged:
    """What became of exact copies.

    Attributes:
        shared_widely: images of so many patients that they tie nobody.
        contradicted: images whose copies have different labels; they have none now.
        crossed: images with copies in several splits of the official split.
    """

    shared_widely: int = 0
    contradicted: int = 0
    crossed: int = 0


def keep_one(catalog: Catalog, linked: LinkedSubjects) -> Merged:
    """Keep one item of every content; the others become duplicates of it."""
    done = Merged()
    catalog.execute(
        "CREATE TEMP TABLE repeated AS SELECT content_sha FROM items WHERE fate = 'kept' "
        "GROUP BY content_sha HAVING count(*) > 1"
    )
    catalog.execute("SAVEPOINT deduplicating")
    for (sha,) in catalog.rows("SELECT content_sha FROM repeated ORDER BY content_sha"):
        group = list(
            catalog.db.execute(
                "SELECT * FROM items WHERE content_sha = ? AND +fate = 'kept' ORDER BY id",
                (sha,),  # +: by the index of contents, of which few are equal
            )
        )
        group.sort(key=rank)
        _merge(catalog, done, group[0], group[1:], linked)
    catalog.execute("RELEASE deduplicating")
    catalog.execute("DROP TABLE repeated")
    return done


def repeated(catalog: Catalog) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids of items with the same content: the first of each, and each other, `[P]`."""
    left, right = array("q"), array("q")
    before, first = "", 0
    sql = "SELECT content_sha, id FROM items WHERE fate = 'kept' ORDER BY content_sha, id"
    for sha, item in catalog.rows(sql):
        if sha != before:
            before, first = sha, item
        else:
            left.append(first)
            right.append(item)
    return np.array(left, dtype=np.int64), np.array(right, dtype=np.int64)


def rank(row: sqlite3.Row) -> tuple[int, bool, bool, bool, int]:
    """The smaller, the rather it is kept: official test, labelled, annotated, of a known patient.

    Boxes and masks lie with the stored sample and cannot be given to a copy.
    """
    official = _PREFERRED[split_name(row["official"])]
    return (official, not _labelled(row), not _annotated(row), not row["known"], row["id"])


def _merge(
    catalog: Catalog,
    done: Merged,
    best: sqlite3.Row,
    copies: Sequence[sqlite3.Row],
    linked: LinkedSubjects,
) -> None:
    """Note the copies of an item, and give it what they know and it does not."""
    everyone = [best, *copies]
    for copy in copies:
        exact = copy["file_sha"] == best["file_sha"] and copy["file"] != best["file"]
        exact = exact and not copy["part"]
        catalog.execute(
            "UPDATE items SET fate = 'duplicate', step = 'duplicates', reason = ?, twin = ?, "
            "exact = ? WHERE id = ?",
            *(_reason(copy, exact=exact), best["id"], exact, copy["id"]),
        )
    patients = {row["subject"] for row in everyone if row["known"]}
    if len(patients) > MOST_TIED:
        done.shared_widely += 1
    else:
        linked.link({row["subject"]: bool(row["known"]) for row in everyone})
    known = {name: best[name] for name in (*_MERGED, "subject", "known", "label", "labels")}
    if not best["known"] and patients:
        known["subject"] = next(row["subject"] for row in copies if row["known"])
        known["known"] = 1
    labels = {(row["label"], row["labels"]) for row in everyone if _labelled(row)}
    if len(labels) > 1:
        known["label"] = known["labels"] = None
        done.contradicted += 1
    elif labels:
        ((known["label"], known["labels"]),) = labels
    for name in _MERGED:
        if name in predicted_attributes() and len({r[name] for r in everyone} - {None}) > 1:
            known[name] = None
        elif known[name] in ("", None, "[]"):
            known[name] = next(
                (row[name] for row in copies if row[name] not in ("", None, "[]")), known[name]
            )
    known["turns"] = _all_turns(everyone)
    done.crossed += len({split_name(row["official"]) for row in everyone} - {""}) > 1
    columns = ", ".join(f"{name} = ?" for name in known)
    catalog.execute(f"UPDATE items SET {columns} WHERE id = ?", *known.values(), best["id"])  # noqa: S608


def _reason(row: sqlite3.Row, *, exact: bool) -> str:
    return "the same file" if exact else f"the same {_SAME.get(row['kind'], 'values')}"


def _all_turns(rows: Sequence[sqlite3.Row]) -> str:
    """The questions on any of the copies, each once, JSON."""
    turns = {json.dumps(turn): turn for row in rows for turn in json.loads(row["turns"] or "[]")}
    return json.dumps(list(turns.values()), sort_keys=True, ensure_ascii=False)


def _annotated(row: sqlite3.Row) -> bool:
    """Whether boxes or a mask are stored with an item."""
    return row["boxes"] not in ("", "[]") or '"mask.' in row["parts"]


def _labelled(row: sqlite3.Row) -> bool:
    return row["label"] is not None or row["labels"] is not None
