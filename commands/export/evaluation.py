"""The metrics of an eval run, for the card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medfm_cli.errors import DataError
from medfm_cli.models.card_facts import MetricFacts
from medfm_cli.runs.identity import digest
from medfm_cli.scoring.tables import MAIN

THIS = "this model"


def evaluation_hash(reference: str) -> str:
    """Hash of the metrics of an eval run.

    Raises:
        DataError: it is not a finished run.
    """
    return digest(_document(reference)["metrics"])


def evaluation_metrics(reference: str, *, model: str) -> list[MetricFacts]:
    """The metrics of an eval run, for every model and baseline, as the card shows them.

    Args:
        reference: the run directory.
        model: content hash of the card's model, whose rows are named "this model".

    Raises:
        DataError: it is not a finished evaluation.
    """
    document = _document(reference)
    metrics, names = document["metrics"], _names(document, model)
    results = [metrics, metrics["holdout"]] if "holdout" in metrics else [metrics]
    try:
        return [fact for result in results for fact in _metric_facts(result, names)]
    except (KeyError, TypeError, AttributeError, ValueError):
        raise DataError(
            f"the run '{reference}' has no evaluation metrics for the card",
            hint="give the run directory of a medfm eval",
        ) from None


def _metric_facts(result: dict[str, Any], names: dict[str, str]) -> list[MetricFacts]:
    protocol = str(result["protocol"])
    if result["folds"]:
        protocol = f"{result['folds']}-fold {protocol}"
    return [
        MetricFacts(
            name=metric,
            value=score["value"],
            low=score["low"],
            high=score["high"],
            n=score["n"],
            subjects=score["subjects"],
            of=names.get(method, method),
            protocol=protocol,
        )
        for method, scores in result["scores"].items()
        for metric, score in scores.items()
        if metric in MAIN and score["value"] is not None
    ]


def _names(document: dict[str, Any], model: str) -> dict[str, str]:
    """The evaluation's name of the card's model → its name in the card."""
    inputs = document.get("inputs", {})
    names = [key.removeprefix("models.") for key, value in inputs.items() if value == model]
    return {name: f"{THIS} ({name})" for name in names}


def _document(reference: str) -> dict[str, Any]:
    path = Path(reference) / "result.json"
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
        finished = document["status"] == "done" and isinstance(document["metrics"], dict)
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(
            f"'{reference}' is not a finished run: it has no readable result.json with metrics",
            hint="give the run directory of a medfm eval",
        ) from None
    if not finished:
        raise DataError(
            f"the run in '{reference}' is not finished", hint="run its command again to finish it"
        )
    return document
