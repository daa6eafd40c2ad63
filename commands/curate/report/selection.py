"""Selection of the samples shown in a report, from as many subjects and labels as possible."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from medfm_cli.commands.curate.catalog import KEPT, Catalog

HAS_LABEL = (
    "(label = ? OR EXISTS (SELECT 1 FROM json_each(coalesce(labels, '[]')) WHERE value = ?))"
)
_COLUMNS = "content_sha, split, width, height, modality, anatomy, label, labels"


@dataclass(frozen=True)
class Shown:
    """A sample that is shown, with the facts for its caption."""

    sha: str
    split: str
    width: int
    height: int
    modality: str
    anatomy: str
    labels: tuple[str, ...]

    def title(self, extra: str = "") -> str:
        """Modality, anatomy, labels and split in one line."""
        labels = ", ".join(self.labels[:3]) + (", …" if len(self.labels) > 3 else "")
        known = self.modality or self.anatomy or labels
        first = self.modality if known else "unknown modality"
        parts = [first, self.anatomy, labels, self.split, extra]
        return " · ".join(part for part in dict.fromkeys(parts) if part)


def few(catalog: Catalog, where: str, *args: Any, limit: int) -> list[Shown]:
    """Up to `limit` kept samples, from different subjects as far as possible.

    The selection depends on their content alone.
    """
    rows = catalog.rows(
        f"SELECT {_COLUMNS}, row_number() OVER "  # noqa: S608
        "(PARTITION BY subject ORDER BY content_sha) AS turn FROM items "
        f"WHERE {KEPT} AND {where} ORDER BY turn, content_sha LIMIT ?",
        *args,
        limit,
    )
    return [shown(row) for row in rows]


def of_labels(catalog: Catalog, where: str, *args: Any, limit: int) -> list[Shown]:
    """Up to `limit` kept samples, with different labels as far as possible."""
    rows = catalog.rows(
        f"SELECT {_COLUMNS}, row_number() OVER "  # noqa: S608
        "(PARTITION BY coalesce(labels, label) ORDER BY content_sha) AS turn FROM items "
        f"WHERE {KEPT} AND {where} ORDER BY turn, content_sha LIMIT ?",
        *args,
        limit,
    )
    return [shown(row) for row in rows]


def shown(row: Any) -> Shown:
    """A row of the catalogue as a sample to show."""
    several = json.loads(row["labels"]) if row["labels"] else []
    return Shown(
        sha=row["content_sha"],
        split=row["split"],
        width=row["width"],
        height=row["height"],
        modality=row["modality"],
        anatomy=row["anatomy"],
        labels=tuple(several) or ((row["label"],) if row["label"] else ()),
    )


def values(catalog: Catalog, column: str, kind: str, limit: int) -> list[str]:
    """The commonest values of a column among samples of a kind."""
    sql = (
        f"SELECT {column} AS value FROM items WHERE {KEPT} AND kind = ? "  # noqa: S608
        f"GROUP BY 1 ORDER BY COUNT(*) DESC, 1 LIMIT {int(limit)}"
    )
    return [row["value"] or "" for row in catalog.rows(sql, kind)]
