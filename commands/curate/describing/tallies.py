"""Counts and long tails, straight from the catalog: one streamed query each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from medfm_cli.commands.curate.catalog import EACH_LABEL, KEPT, Catalog, block_name
from medfm_cli.data.manifest import SPLITS

UNKNOWN: Final = "UNKNOWN"
NO_LABEL: Final = "no label"
MOST_VALUES: Final = 1000
"""Values of an attribute that are listed; the others are counted together."""
OTHERS: Final = "others"
_COLUMNS: Final = ("kind", "modality", "anatomy", "site", "sex")
_DECADES: Final = (*range(0, 90, 10), 90)

Counts = dict[str, dict[str, int]]
"""Value → samples, subjects and samples by split; the commonest first."""


def tallies(catalog: Catalog, blocks: Sequence[str]) -> dict[str, Counts]:
    """Samples and subjects of every value of every attribute, in all and by split.

    Args:
        catalog: the catalog after the split.
        blocks: names of the source blocks, by their number.
    """
    counts = {"source": _named(_count(catalog, "block", "items"), blocks)}
    counts |= {name: _count(catalog, name, "items") for name in _COLUMNS}
    counts["label"] = _labels(catalog)
    counts["client"] = _count(catalog, "client", "items") if _any_client(catalog) else {}
    return {name: _capped(values) for name, values in counts.items()}


def sources(catalog: Catalog, blocks: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Kinds and modalities of every source block."""
    by_source: dict[str, dict[str, Any]] = {}
    for column in ("kind", "modality"):
        sql = (
            f"SELECT block, {column} AS value, COUNT(*) AS n FROM items WHERE {KEPT} "  # noqa: S608
            "GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"
        )
        for row in catalog.rows(sql):
            of = by_source.setdefault(
                block_name(row["block"], blocks), {"kind": {}, "modality": {}}
            )
            of[column][row["value"] or UNKNOWN] = row["n"]
    return by_source


def ages(catalog: Catalog) -> dict[str, Any]:
    """How old the patients were: by decade and split, with the quartiles of those known."""
    known = catalog.one(f"SELECT COUNT(age) FROM items WHERE {KEPT}")  # noqa: S608
    if not known:
        return {"known": 0}
    bins: Counts = {_decade(low): dict.fromkeys(("samples", *SPLITS), 0) for low in _DECADES}
    sql = (
        "SELECT MIN(CAST(age / 10 AS INTEGER), 9) * 10 AS low, split, COUNT(*) AS n "  # noqa: S608
        f"FROM items WHERE {KEPT} AND age >= 0 GROUP BY 1, 2"
    )
    for row in catalog.rows(sql):
        of = bins[_decade(row["low"])]
        of["samples"] += row["n"]
        of[row["split"]] = of.get(row["split"], 0) + row["n"]
    return {"known": known, "decades": bins, "quartiles": quantiles(catalog, "age")}


def quantiles(
    catalog: Catalog, value: str, where: str = "1", shares: Sequence[float] = (0.25, 0.5, 0.75)
) -> list[float]:
    """Quantiles of an SQL expression over the kept items: the values at those places.

    SQLite sorts on disk; nothing is gathered here.
    """
    where = f"{KEPT} AND {where} AND {value} IS NOT NULL"
    count = catalog.one(f"SELECT COUNT(*) FROM items WHERE {where}")  # noqa: S608
    sql = f"SELECT {value} FROM items WHERE {where} ORDER BY 1 LIMIT 1 OFFSET ?"  # noqa: S608
    return (
        [float(catalog.one(sql, round(share * (count - 1)))) for share in shares] if count else []
    )


def balance(counts: Iterable[int]) -> dict[str, float]:
    """How evenly samples lie over classes.

    Gives the entropy (bits, and as a share of its maximum), the number of equal classes that would
    have this entropy, and the largest class over the smallest.
    """
    sizes = [count for count in counts if count > 0]
    total = sum(sizes)
    bits = -sum(size / total * math.log2(size / total) for size in sizes) if total else 0.0
    bits = max(0.0, bits)
    return {
        "entropy_bits": round(bits, 6),
        "entropy_share": round(bits / math.log2(len(sizes)), 6) if len(sizes) > 1 else 0.0,
        "equal_classes": round(2**bits, 4),
        "imbalance": round(max(sizes) / min(sizes), 4) if sizes else 0.0,
    }


def tail(counts: Counts) -> dict[str, float]:
    """How long the tail is: values, the share of the largest, how many make up four fifths.

    Samples of which nothing is known do not count.
    """
    known = (count["samples"] for name, count in counts.items() if name not in (UNKNOWN, NO_LABEL))
    sizes = sorted(known, reverse=True)
    total, covered, most = sum(sizes), 0, 0
    for size in sizes:
        if covered >= 0.8 * total:
            break
        covered, most = covered + size, most + 1
    largest = sizes[0] / total if total else 0.0
    return {"values": len(sizes), "largest_share": round(largest, 6), "values_for_80_percent": most}


def _count(catalog: Catalog, column: str, table: str, *, unknown: str = UNKNOWN) -> Counts:
    counts: Counts = {}
    sql = (
        f"SELECT {column} AS value, COUNT(*) AS n, COUNT(DISTINCT subject) AS m "  # noqa: S608
        f"FROM {table} WHERE {KEPT} GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    for row in catalog.rows(sql):
        counts[_text(row["value"], unknown)] = {"samples": row["n"], "subjects": row["m"]}
    sql = f"SELECT {column} AS value, split, COUNT(*) AS n FROM {table} WHERE {KEPT} GROUP BY 1, 2"  # noqa: S608
    for row in catalog.rows(sql):
        counts[_text(row["value"], unknown)][row["split"] or "none"] = row["n"]
    return counts


def _labels(catalog: Catalog) -> Counts:
    """Labels, one count for each of a sample's; and samples of which nothing is said."""
    counts = _count(catalog, "value", f"items, {EACH_LABEL}")
    bare = _count(catalog, "0", "(SELECT * FROM items WHERE label IS NULL AND labels IS NULL)")
    return counts | ({NO_LABEL: next(iter(bare.values()))} if bare else {})


def _any_client(catalog: Catalog) -> bool:
    return catalog.one(f"SELECT 1 FROM items WHERE {KEPT} AND client <> '' LIMIT 1") is not None  # noqa: S608


def _named(counts: Counts, blocks: Sequence[str]) -> Counts:
    return {block_name(int(block), blocks): count for block, count in counts.items()}


def _capped(counts: Counts) -> Counts:
    """The commonest values, and the others together."""
    if len(counts) <= MOST_VALUES:
        return counts
    names = list(counts)
    kept = {name: counts[name] for name in names[: MOST_VALUES - 1]}
    rest: dict[str, int] = {}
    for name in names[MOST_VALUES - 1 :]:
        for key, value in counts[name].items():
            rest[key] = rest.get(key, 0) + value
    rest.pop("subjects", None)  # one may have several values
    return kept | {f"{len(names) - len(kept)} {OTHERS}": rest}


def _decade(low: int) -> str:
    return "90 and more" if low >= 90 else f"{low}–{low + 9}"


def _text(value: Any, unknown: str) -> str:
    return unknown if value in (None, "") else str(value)


def by_split(counts: Mapping[str, int]) -> list[int]:
    """The samples of train, val and test."""
    return [counts.get(split, 0) for split in SPLITS]
