"""Deduplicate: the same samples become one, near copies stay together (or become one).

Exact copies have the same content (`exact`). Near copies look the same (`near`) or, if a model is
named, have the same features (`embedding`); linked ones form clusters (`clusters`), which no split
tears apart.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator
from typing import cast

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.duplicates.contamination import contamination, fingerprints
from medfm_cli.commands.curate.duplicates.embedding import embedded_links
from medfm_cli.commands.curate.duplicates.exact import keep_one, rank, repeated
from medfm_cli.commands.curate.duplicates.linked_subjects import LinkedSubjects
from medfm_cli.commands.curate.duplicates.summary import Cluster, DuplicateSummary, Pair
from medfm_cli.commands.curate.options.deduplicate import Deduplicate
from medfm_cli.commands.curate.reading.staging import Staging
from medfm_cli.commands.curate.similarity.clusters import Clusters, form_clusters
from medfm_cli.commands.curate.similarity.near import (
    ImageFingerprints,
    Links,
    Thumbnails,
    all_links,
    near_copies,
)
from medfm_cli.commands.curate.similarity.perceptual import TURNS
from medfm_cli.commands.curate.tables.columns import split_name

__all__ = [
    "Cluster",
    "DuplicateSummary",
    "Pair",
    "contamination",
    "deduplicate",
    "fingerprints",
]

Places = NDArray[np.int64]
SHOWN, MEMBERS = 12, 8
"""Clusters and members of them that the report may show."""
DOUBTFUL = 12
"""Pairs of near copies that it may show: those that are least alike."""
NEAR = "nearly the same image"
UNSEEN = "fate = 'kept' AND phash IS NULL AND kind IN ('image', 'volume', 'video')"


def deduplicate(
    catalog: Catalog,
    options: Deduplicate | None = None,
    *,
    staging: Staging | None = None,
    threads: int = 2,
) -> DuplicateSummary:
    """Find the copies among what is kept, and mark, merge or tie them.

    Args:
        catalog: every item is described.
        options: what becomes of them.
        staging: holds the images, where a model is to look at them.
        threads: how many search at a time.

    Raises:
        DataError: the model that is named is none.
        EnvironmentProblem: it needs what is not installed.
    """
    options = options or Deduplicate()
    done, linked = DuplicateSummary(), LinkedSubjects()
    if options.exact == "keep_one":
        merged = keep_one(catalog, linked)
        done.shared_widely, done.contradicted = merged.shared_widely, merged.contradicted
        done.crossed = merged.crossed
    links = _links(catalog, options, threads)
    if options.embedding and options.near != "off" and staging is not None:
        seen = embedded_links(catalog, staging, options.embedding, options.similarity)
        links = all_links([links, _measured(catalog, seen)])
    done.pairs, done.turned = len(links.left), int((links.turn > 0).sum())
    done.unseen = catalog.one(f"SELECT count(*) FROM items WHERE {UNSEEN}")  # noqa: S608
    done.doubtful = _doubtful(links)
    together = [(links.left, links.right)]
    if options.near == "keep_one":
        together = [_keep_one(catalog, links, linked)]
    if options.exact == "tie":
        together.append(repeated(catalog))
    catalog.many("UPDATE items SET subject = ? WHERE subject = ?", linked.names())
    done.tied = linked.patients()
    clusters = form_clusters(*(np.concatenate(ends) for ends in zip(*together, strict=True)))
    catalog.many("UPDATE items SET cluster = ? WHERE id = ?", _numbered(clusters))
    done.taken_apart, done.clusters = clusters.taken_apart, len(clusters)
    done.clustered = len(clusters.members)
    _count(catalog, done)
    done.largest = _largest(catalog, clusters, links)
    return done


def _links(catalog: Catalog, options: Deduplicate, threads: int) -> Links:
    """All pairs of near copies, by id."""
    if options.near == "off":
        return all_links([])
    ids, hashes, sources = array("q"), array("q"), array("q")
    with Thumbnails(catalog.path.parent) as thumbs:
        for item, phash, thumb, source in catalog.rows(
            "SELECT id, phash, thumb, CASE WHEN part = '' THEN entry ELSE -id - 1 END FROM items "
            "WHERE fate = 'kept' AND phash IS NOT NULL ORDER BY id"
        ):
            ids.append(item)
            hashes.append(phash)
            sources.append(source)
            thumbs.add(thumb)
        found = near_copies(
            ImageFingerprints(np.frombuffer(hashes, dtype=np.uint64), thumbs),
            distance=options.distance,
            turned=options.turned,
            sources=np.frombuffer(sources, dtype=np.int64),
            threads=threads,
        )
        links = all_links(found)
    names = np.frombuffer(ids, dtype=np.int64)
    return links._replace(left=names[links.left], right=names[links.right])


def _measured(catalog: Catalog, links: Links) -> Links:
    """Links that a model found, with the distance of their hashes (64 where there is none)."""
    if not len(links.left):
        return links
    ids = np.unique(np.concatenate([links.left, links.right]))
    hashes = np.full(len(ids), -1, dtype=np.int64)
    for place, item in enumerate(ids.tolist()):
        phash = catalog.one("SELECT phash FROM items WHERE id = ?", item)
        hashes[place] = -1 if phash is None else phash
    left, right = (hashes[np.searchsorted(ids, end)] for end in (links.left, links.right))
    apart = np.bitwise_count((left ^ right).astype(np.uint64))
    return links._replace(distance=np.where((left < 0) | (right < 0), 64, apart).astype(np.uint8))


def _doubtful(links: Links) -> list[Pair]:
    order = np.lexsort((links.right, links.left, -links.distance.astype(np.int64)))[:DOUBTFUL]
    return [_pair(links, place) for place in order.tolist()]


def _pair(links: Links, place: int) -> Pair:
    return Pair(
        int(links.left[place]),
        int(links.right[place]),
        TURNS[links.turn[place]],
        int(links.distance[place]),
    )


def _keep_one(catalog: Catalog, links: Links, linked: LinkedSubjects) -> tuple[Places, Places]:
    """Keep the centre of every star of near copies; the others become its duplicates.

    Their subjects are tied: their other images must not lie on the other side of a split.

    Returns:
        The ids of centres, and of the duplicates of each.
    """
    ids = np.unique(np.concatenate([links.left, links.right]))
    ranks = np.empty(len(ids), dtype=np.int64)
    ranked = sorted((rank(_row(catalog, item)), place) for place, item in enumerate(ids.tolist()))
    ranks[[place for _, place in ranked]] = np.arange(len(ids))
    stars = form_clusters(links.left, links.right, ranks=ranks)
    for members in stars:
        best, *others = members.tolist()
        subjects: dict[str, bool] = {}
        for item in (best, *others):
            row = _row(catalog, item)
            subjects[row["subject"]] = subjects.get(row["subject"], False) or bool(row["known"])
        linked.link(subjects)
        catalog.many(
            "UPDATE items SET fate = 'duplicate', step = 'duplicates', reason = ?, twin = ? "
            "WHERE id = ?",
            ((NEAR, best, item) for item in others),
        )
    centres = np.repeat(stars.members[stars.starts[:-1]], np.diff(stars.starts))
    return centres, stars.members


def _row(catalog: Catalog, item: int) -> sqlite3.Row:
    sql = "SELECT id, label, labels, official, known, subject, boxes, parts FROM items WHERE id = ?"
    return cast(sqlite3.Row, catalog.db.execute(sql, (item,)).fetchone())


def _numbered(clusters: Clusters) -> Iterator[tuple[int, int]]:
    for number, members in enumerate(clusters, start=1):
        yield from ((number, item) for item in members.tolist())


def _count(catalog: Catalog, done: DuplicateSummary) -> None:
    """Fill in what can be read from the catalog afterwards."""
    sql = "SELECT reason, count(*) FROM items WHERE step = 'duplicates' GROUP BY reason"
    reasons: dict[str, int] = dict(catalog.db.execute(sql).fetchall())
    done.nearly = reasons.pop(NEAR, 0)
    done.same_file = reasons.pop("the same file", 0)
    done.same_content = sum(reasons.values())
    done.disputed = catalog.one(
        "SELECT count(*) FROM (SELECT cluster FROM items WHERE cluster IS NOT NULL AND "
        "coalesce(label, labels) IS NOT NULL GROUP BY cluster "
        "HAVING count(DISTINCT coalesce(label, labels)) > 1)"
    )
    before, sides = 0, set[str]()
    sql = (
        "SELECT DISTINCT cluster, official FROM items WHERE cluster IS NOT NULL AND official <> '' "
        "ORDER BY 1, 2"
    )
    for cluster, official in catalog.rows(sql):
        if cluster != before:
            done.crossing += len(sides) > 1
            before, sides = cluster, set()
        sides |= {split_name(official)} - {""}
    done.crossing += len(sides) > 1


def _largest(catalog: Catalog, clusters: Clusters, links: Links) -> list[Cluster]:
    """The largest clusters, with some of their members."""
    sizes = np.diff(clusters.starts)
    order = np.lexsort((np.arange(len(sizes)), -sizes))[:SHOWN]
    found = []
    for place in order.tolist():
        start, end = int(clusters.starts[place]), int(clusters.starts[place + 1])
        members = clusters.members[start:end][:MEMBERS].tolist()
        counts = catalog.db.execute(
            "SELECT count(DISTINCT subject), count(DISTINCT coalesce(label, labels)) FROM items "
            "WHERE cluster = ?",
            (place + 1,),
        ).fetchone()
        turns = tuple(_turn(links, members[0], member) for member in members)
        found.append(Cluster(place + 1, end - start, tuple(members), turns, *counts))
    return found


def _turn(links: Links, one: int, other: int) -> str:
    """How `other` lies beside `one`; empty where they are not linked themselves."""
    low, high = min(one, other), max(one, other)
    begin, end = np.searchsorted(links.left, [low, low + 1])
    place = begin + int(np.searchsorted(links.right[begin:end], high))
    if one == other:
        return TURNS[0]
    return TURNS[links.turn[place]] if place < end and links.right[place] == high else ""
