"""Factors of a task that may explain a slope, from curation (`description.json`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

FACTORS = {
    "samples": "labelled samples",
    "classes": "classes",
    "compressibility": "median gzip ratio",
    "davies_bouldin": "Davies–Bouldin index",
}
"""The factors of BioVFM-21M's analysis, with their names in reports."""


@dataclass(frozen=True)
class Factors:
    """The factors of one task; None where curation did not measure them."""

    samples: float | None = None
    classes: float | None = None
    compressibility: float | None = None
    davies_bouldin: float | None = None


def factors_of(dataset: Path, *, kind: str) -> Factors:
    """The factors of the labelled samples of one kind; all None without a description."""
    try:
        description: dict[str, Any] = json.loads((dataset / "description.json").read_text("utf-8"))
    except (OSError, ValueError):
        return Factors()
    tasks = [task for task in description.get("tasks", []) if task["kind"] == kind]
    ratio = description.get("compressibility", {}).get(kind, {}).get("median_gzip_ratio")
    if not tasks:
        return Factors(compressibility=ratio)
    largest = max(tasks, key=lambda task: task["labelled"])
    return Factors(
        samples=float(largest["labelled"]),
        classes=float(largest["classes"]),
        compressibility=ratio,
        davies_bouldin=largest["davies_bouldin"]["value"],
    )
