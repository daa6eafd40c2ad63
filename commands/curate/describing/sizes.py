"""Sizes of samples: images, volumes and their spacing, lengths and rates, by kind."""

from __future__ import annotations

from typing import Any, Final

from medfm_cli.commands.curate.catalog import KEPT, Catalog
from medfm_cli.commands.curate.describing.tallies import quantiles

COMMONEST: Final = 12
_FIVE: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Smallest, quartiles and largest."""

_AXES: Final[dict[str, dict[str, str]]] = {
    "image": {"height (pixels)": "height", "width (pixels)": "width"},
    "volume": {
        "slices": "json_extract(shape, '$[0]')",
        "rows": "json_extract(shape, '$[1]')",
        "columns": "json_extract(shape, '$[2]')",
        "slice spacing (mm)": "json_extract(meta, '$.spacing[0]')",
        "row spacing (mm)": "json_extract(meta, '$.spacing[1]')",
        "column spacing (mm)": "json_extract(meta, '$.spacing[2]')",
    },
    "video": {
        "frames taken": "json_extract(shape, '$[0]')",
        "height (pixels)": "json_extract(shape, '$[1]')",
        "width (pixels)": "json_extract(shape, '$[2]')",
        "frames a second": "json_extract(meta, '$.rate')",
    },
    "signal": {
        "channels": "json_extract(shape, '$[0]')",
        "rate (Hz)": "json_extract(meta, '$.rate')",
        "length (s)": "json_extract(shape, '$[1]') / NULLIF(json_extract(meta, '$.rate'), 0)",
    },
    "audio": {
        "channels": "json_extract(shape, '$[0]')",
        "rate (Hz)": "json_extract(meta, '$.rate')",
        "length (s)": "json_extract(shape, '$[1]') / NULLIF(json_extract(meta, '$.rate'), 0)",
    },
    "series": {
        "variables": "json_extract(shape, '$[0]')",
        "times": "json_extract(shape, '$[1]')",
        "last time (h)": "json_extract(meta, '$.times[#-1]')",
    },
    "text": {"bytes": "json_extract(shape, '$[0]')"},
    "table": {"bytes of a row": "json_extract(shape, '$[0]')"},
}
_COMMON: Final[dict[str, str]] = {
    "image": "width || ' × ' || height",
    "volume": "json_extract(shape, '$[2]') || ' × ' || json_extract(shape, '$[1]') || ' × ' || "
    "json_extract(shape, '$[0]')",
    "signal": "json_extract(shape, '$[0]') || ' channels, ' || "
    "printf('%g', json_extract(meta, '$.rate')) || ' Hz'",
    "audio": "printf('%g', json_extract(meta, '$.rate')) || ' Hz'",
    "video": "json_extract(shape, '$[2]') || ' × ' || json_extract(shape, '$[1]')",
}


def sizes(catalog: Catalog) -> dict[str, dict[str, Any]]:
    """For every kind: its number, five quantiles of each measure, and the commonest sizes."""
    found: dict[str, dict[str, Any]] = {}
    sql = f"SELECT kind, COUNT(*) AS n FROM items WHERE {KEPT} GROUP BY 1 ORDER BY 2 DESC, 1"  # noqa: S608
    for kind, count in [(row["kind"], row["n"]) for row in catalog.rows(sql)]:
        where = f"kind = '{kind}'"
        measures = {
            name: quantiles(catalog, value, where, _FIVE)
            for name, value in _AXES.get(kind, {}).items()
        }
        found[kind] = {
            "samples": count,
            "quantiles": {name: values for name, values in measures.items() if values},
            "commonest": _commonest(catalog, kind),
        }
    return found


def _commonest(catalog: Catalog, kind: str) -> dict[str, int]:
    if kind not in _COMMON:
        return {}
    sql = (
        f"SELECT {_COMMON[kind]} AS size, COUNT(*) AS n FROM items WHERE {KEPT} AND kind = ? "  # noqa: S608
        f"AND size IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {COMMONEST}"
    )
    return {row["size"]: row["n"] for row in catalog.rows(sql, kind)}
