"""What the dataset is, in numbers: `description.json`, and the figures of the report.

Counts come from the catalog by streamed queries. What has to be measured (how compressible samples
are, how far apart classes lie) is measured on a sample that depends on the content and the seed
alone, so that the same data always get the same description.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from medfm_cli.commands.curate.catalog import EACH_LABEL, KEPT, Catalog, block_name
from medfm_cli.commands.curate.describing.features import Features, features, matrix
from medfm_cli.commands.curate.describing.measures import davies_bouldin, gzip_ratio
from medfm_cli.commands.curate.describing.sizes import sizes
from medfm_cli.commands.curate.describing.tallies import (
    NO_LABEL,
    ages,
    balance,
    sources,
    tail,
    tallies,
)
from medfm_cli.commands.curate.options.describe import Describe
from medfm_cli.commands.curate.written import WrittenSamples
from medfm_cli.data.manifest import SPLITS
from medfm_cli.runs.atomic import write_json

DESCRIPTION_FILE: Final = "description.json"
FORMAT: Final = 1
GZIP_SAMPLE: Final = 256
"""Samples of a kind whose compressibility is measured, at most."""
MOST_CLASSES: Final = 200
"""Classes of a task whose distances are measured; beyond these the commonest."""
MOST_BYTES: Final = 256 << 20
"""Bytes in the shards that one measurement reads, at most."""
_FEWEST: Final = 2
"""Samples of a class without which nothing can be said of its spread."""

Description = dict[str, Any]


def describe(
    catalog: Catalog, root: Path, blocks: Sequence[str], options: Describe, *, seed: int
) -> Description:
    """Describe a dataset and write `description.json` into its folder.

    Args:
        catalog: the catalog after the split.
        root: the dataset's folder, whose manifest and shards are written.
        blocks: names of the source blocks, by their number.
        options: how much is measured.
        seed: of the choice of samples.
    """
    counts = tallies(catalog, blocks)
    description: Description = {
        "format": FORMAT,
        "samples": catalog.one(f"SELECT COUNT(*) FROM items WHERE {KEPT}"),  # noqa: S608
        "subjects": catalog.one(f"SELECT COUNT(DISTINCT subject) FROM items WHERE {KEPT}"),  # noqa: S608
        "splits": _splits(catalog),
        "sources": sources(catalog, blocks),
        "counts": counts,
        "tails": {name: tail(values) for name, values in counts.items() if values},
        "ages": ages(catalog),
        "sizes": sizes(catalog),
    }
    if options.on:
        stored = WrittenSamples(root)
        description["compressibility"] = _compressibility(catalog, stored, options, seed)
        description["tasks"] = _tasks(catalog, stored, blocks, options, seed)
    write_json(root / DESCRIPTION_FILE, description)
    return description


def _splits(catalog: Catalog) -> dict[str, dict[str, int]]:
    sql = (
        "SELECT split, COUNT(*) AS n, COUNT(DISTINCT subject) AS m FROM items "  # noqa: S608
        f"WHERE {KEPT} GROUP BY 1"
    )
    splits = {
        row["split"]: {"samples": row["n"], "subjects": row["m"]} for row in catalog.rows(sql)
    }
    return {split: splits[split] for split in (*SPLITS, "") if split in splits}


def _compressibility(
    catalog: Catalog, stored: WrittenSamples, options: Describe, seed: int
) -> dict[str, dict[str, Any]]:
    """The median gzip ratio of a sample of each kind: raw 8-bit bytes over compressed ones."""
    kinds = [
        row["kind"]
        for row in catalog.rows(f"SELECT DISTINCT kind FROM items WHERE {KEPT} ORDER BY 1")  # noqa: S608
    ]
    by_kind: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        limit = min(options.sample, GZIP_SAMPLE)
        chosen = _sample(catalog, f"kind = '{kind}'", limit, seed)
        ratios = [gzip_ratio(content) for _, content in stored.contents(chosen, most=MOST_BYTES)]
        known = [ratio for ratio in ratios if ratio is not None]
        if known:
            low, median, high = np.percentile(known, (25, 50, 75)).round(4).tolist()
            by_kind[kind] = {
                "median_gzip_ratio": median,
                "quartiles": [low, high],
                "measured": len(known),
            }
    return by_kind


def _tasks(
    catalog: Catalog, stored: WrittenSamples, blocks: Sequence[str], options: Describe, seed: int
) -> list[dict[str, Any]]:
    """The tasks that can be learned: one for each kind of sample of each source block."""
    sql = (
        f"SELECT block, kind, MAX(labels IS NOT NULL) AS several FROM items WHERE {KEPT} "  # noqa: S608
        "AND (label IS NOT NULL OR labels IS NOT NULL) GROUP BY 1, 2 ORDER BY 1, 2"
    )
    tasks = []
    for row in [dict(row) for row in catalog.rows(sql)]:
        where = f"block = {int(row['block'])} AND kind = '{row['kind']}'"
        classes = _classes(catalog, where)
        task: dict[str, Any] = {
            "source": block_name(row["block"], blocks),
            "kind": row["kind"],
            "labels": "several" if row["several"] else "one",
            "classes": len(classes),
            "labelled": catalog.one(
                f"SELECT COUNT(*) FROM items WHERE {KEPT} AND {where} "  # noqa: S608
                "AND (label IS NOT NULL OR labels IS NOT NULL)"
            ),
            **balance(classes.values()),
        }
        separation = _separation(catalog, stored, where, classes, options, seed, row["several"])
        tasks.append(task | {"davies_bouldin": separation})
    return tasks


def _classes(catalog: Catalog, where: str) -> dict[str, int]:
    sql = (
        f"SELECT value, COUNT(*) AS n FROM items, {EACH_LABEL} WHERE {KEPT} AND {where} "  # noqa: S608
        "GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    return {str(row["value"]): row["n"] for row in catalog.rows(sql)}


def _separation(
    catalog: Catalog,
    stored: WrittenSamples,
    where: str,
    classes: dict[str, int],
    options: Describe,
    seed: int,
    several: int,
) -> dict[str, Any]:
    """The Davies–Bouldin index of simple features by label.

    Of samples with several labels those with exactly one are taken, for a point can only be in one
    cluster.
    """
    names = [name for name, count in classes.items() if count >= _FEWEST][:MOST_CLASSES]
    each = max(_FEWEST, options.sample // max(1, len(names)))
    label = "json_extract(labels, '$[0]')" if several else "label"
    alone = " AND json_array_length(labels) = 1" if several else ""
    member: dict[str, str] = {}
    for name in names:
        chosen = _sample(catalog, f"{where}{alone} AND {label} = ?", each, seed, name)
        if len(chosen) >= _FEWEST:
            member |= dict.fromkeys(chosen, name)
    points: list[Features] = []
    labels: list[str] = []
    for sha, content in stored.contents(member, most=MOST_BYTES):
        points.append(features(content))
        labels.append(member[sha])
    value = davies_bouldin(matrix(points), np.array(labels)) if points else None
    return {
        "value": None if value is None else round(value, 4),
        "measured": len(points),
        "classes": len(set(labels)),
        "features": "simple features of the samples, standardised; no model",
    }


def _sample(catalog: Catalog, where: str, limit: int, seed: int, *values: str) -> list[str]:
    """The hashes of some kept samples: which ones follows from their content and the seed."""
    sql = (
        f"SELECT DISTINCT content_sha FROM items WHERE {KEPT} AND {where} "  # noqa: S608
        f"ORDER BY substr(content_sha, {1 + seed % 40}), content_sha LIMIT {int(limit)}"
    )
    return [row["content_sha"] for row in catalog.rows(sql, *values)]


def labelled_counts(description: Description) -> Iterator[tuple[str, dict[str, int]]]:
    """The labels with their counts, without the samples that have none."""
    for name, counts in description["counts"]["label"].items():
        if name != NO_LABEL:
            yield name, counts
