"""The numbers of an eval run, for the card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from medfm_cli.errors import DataError
from medfm_cli.models.card import MetricFacts
from medfm_cli.runs.identity import digest

CARD_METRICS = "card"
"""The key under which an evaluation gives its numbers as `MetricFacts`."""


def evaluation_hash(reference: str) -> str:
    """Hash of the numbers of an eval run.

    Raises:
        DataError: it is no finished run.
    """
    return digest(_metrics(reference))


def evaluation_metrics(reference: str) -> list[MetricFacts]:
    """The numbers of an eval run, as the card shows them.

    Raises:
        DataError: it is no finished run, or no evaluation.
    """
    values = _metrics(reference).get(CARD_METRICS)
    try:
        return TypeAdapter(list[MetricFacts]).validate_json(json.dumps(values))
    except ValidationError:
        raise DataError(
            f"the run '{reference}' holds no measured numbers for the card",
            hint="give the run directory of a medfm eval",
        ) from None


def _metrics(reference: str) -> dict[str, Any]:
    path = Path(reference) / "result.json"
    try:
        document = json.loads(path.read_text("utf-8"))
        finished = document["status"] == "done"
        metrics = document.get("metrics", {})
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(
            f"'{reference}' is no run directory: it has no readable result.json",
            hint="give the run directory of a medfm eval",
        ) from None
    if not finished or not isinstance(metrics, dict):
        raise DataError(
            f"the run in '{reference}' is not finished", hint="run its command again to finish it"
        )
    return metrics
