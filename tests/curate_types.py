"""What a curation left behind, as tests look at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from medfm_cli.data import Dataset
from medfm_cli.runs import Result, Run


@dataclass(frozen=True)
class Curated:
    """What a curation left behind."""

    result: Result
    run: Run

    @property
    def dataset(self) -> Dataset:
        return Dataset.open(self.run.dir)

    @property
    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.dataset.samples.to_pylist()
        return rows

    @property
    def quarantine(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.dataset.quarantine.to_pylist()
        return rows

    @property
    def counts(self) -> dict[str, int]:
        """`read` is checked to be the sum of what became of it."""
        counts: dict[str, int] = self.result.metrics
        parts = ("kept", "duplicates", "quarantined")
        assert counts["read"] == sum(counts[name] for name in parts)
        return counts

    def said(self) -> str:
        """Everything that the report says."""
        return repr(self.result.sections)


Curate = Callable[..., Curated]
