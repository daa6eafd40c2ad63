"""The numbers of an eval run, for the card."""

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
    """Hash of the numbers of an eval run.

    Raises:
        DataError: it is no finished run.
    """
    return digest(_document(reference)["metrics"])


def evaluation_metrics(reference: str, *, model: str) -> list[MetricFacts]:
    """The numbers of an eval run, of every model and baseline, as the card shows them.

    Args:
        reference: the run directory.
        model: content hash of the model the card is for: its rows say so.

    Raises:
        DataError: it is no finished run, or no evaluation.
    """
    document = _document(reference)
    metrics, names = document["metrics"], _names(document, model)
    boards = [metrics, metrics["holdout"]] if "holdout" in metrics else [metrics]
    try:
        return [fact for board in boards for fact in _board(board, names)]
    except (KeyError, TypeError, AttributeError, ValueError):
        raise DataError(
            f"the run '{reference}' holds no measured numbers for the card",
            hint="give the run directory of a medfm eval",
        ) from None


def _board(board: dict[str, Any], names: dict[str, str]) -> list[MetricFacts]:
    protocol = str(board["protocol"])
    if board["folds"]:
        protocol = f"{board['folds']}-fold {protocol}"
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
        for method, scores in board["scores"].items()
        for metric, score in scores.items()
        if metric in MAIN and score["value"] is not None
    ]


def _names(document: dict[str, Any], model: str) -> dict[str, str]:
    """What the evaluation called the model the card is for, and what the card calls it."""
    inputs = document.get("inputs", {})
    called = [key.removeprefix("models.") for key, value in inputs.items() if value == model]
    return {name: f"{THIS} ({name})" for name in called}


def _document(reference: str) -> dict[str, Any]:
    path = Path(reference) / "result.json"
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
        finished = document["status"] == "done" and isinstance(document["metrics"], dict)
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(
            f"'{reference}' is no finished run: it has no readable result.json with numbers",
            hint="give the run directory of a medfm eval",
        ) from None
    if not finished:
        raise DataError(
            f"the run in '{reference}' is not finished", hint="run its command again to finish it"
        )
    return document
