"""What an engine gives back, and how it is kept on disk."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from medfm_cli.runs.blocks import (
    Section,
    Table,
    block_from_json,
    block_to_json,
    section_from_json,
    section_to_json,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Result:
    """The outcome of a run.

    Attributes:
        metrics: JSON values, the numbers that scripts read.
        artefacts: name → path relative to the run directory.
        sections: the report.
        summary: the table shown at the end of the command.
        headline: one sentence for people.
        lineage: hashes of what went in and what came out.
        gate: why a threshold of the recipe was not met; None when all were.
        stages: name → run directory (relative) of the stages of a pipeline.
    """

    metrics: dict[str, Any] = field(default_factory=dict)
    artefacts: dict[str, str] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)
    summary: Table | None = None
    headline: str = ""
    lineage: dict[str, Any] = field(default_factory=dict)
    gate: str | None = None
    stages: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON values; NaN and infinities become null."""
        return {
            "headline": self.headline,
            "metrics": finite(self.metrics),
            "artefacts": self.artefacts,
            "lineage": finite(self.lineage),
            "gate": self.gate,
            "stages": self.stages,
            "summary": block_to_json(self.summary) if self.summary else None,
            "sections": [section_to_json(section) for section in self.sections],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Result:
        """Read back what `to_json` wrote."""
        summary = block_from_json(data["summary"]) if data["summary"] else None
        return cls(
            metrics=data["metrics"],
            artefacts=data["artefacts"],
            sections=[section_from_json(section) for section in data["sections"]],
            summary=summary if isinstance(summary, Table) else None,
            headline=data["headline"],
            lineage=data["lineage"],
            gate=data["gate"],
            stages=data["stages"],
        )


def finite(value: Any) -> Any:
    """The value with what JSON cannot hold (NaN, infinity, numpy scalars) made plain."""
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
