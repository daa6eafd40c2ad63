"""Predictions for files, as a table or a JSON document on stdout."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from medfm_cli.envelope import emit
from medfm_cli.errors import DataError, ExitCode
from medfm_cli.inference.bundle import BUNDLE_FILE, MODEL_FILE, Bundle, open_bundle
from medfm_cli.inference.predictor import Prediction, Predictor
from medfm_cli.runs.artefacts import find, holds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medfm_cli.console import Console

MOST_CLASSES = 8
"""With up to this many classes the table has a column for each; --json always has all."""


def answer(
    reference: str,
    files: Sequence[str],
    console: Console,
    *,
    as_json: bool,
    batch: int,
    threads: int,
) -> int:
    """Predict every file and print the predictions; returns the exit code.

    Raises:
        DataError: the bundle is invalid, damaged, or contains an encoder.
    """
    bundle = open_bundle(_folder(reference))
    predictor = Predictor(bundle, batch=batch, threads=threads)
    with console.progress("predict", total=len(files), unit="files") as meter:
        predictions = []
        for prediction in predictor.predict(files):
            predictions.append(prediction)
            meter.advance()
    failed = sum(prediction.error is not None for prediction in predictions)
    code = int(ExitCode.DATA if failed else ExitCode.DONE)
    if as_json:
        emit(_document(bundle, reference, predictions, code))
    else:
        typer.echo(_table(predictions, bundle.card.label_schema.classes))
    if failed:
        error = DataError(f"{failed} of {len(predictions)} files could not be read")
        console.error(
            error.message, "the other files have predictions; the reasons are in the output"
        )
    return code


def _folder(reference: str) -> Path:
    """The bundle's folder; a pipeline's run directory works if one stage exported a bundle."""
    if not holds(reference, "bundle"):
        inside = {path.resolve().parent for path in Path(reference).glob(f"*/bundle/{BUNDLE_FILE}")}
        if len(inside) == 1:
            return inside.pop()
    return find(reference, "bundle")


def _document(
    bundle: Bundle, reference: str, predictions: Sequence[Prediction], code: int
) -> dict[str, Any]:
    card = bundle.card
    return {
        "status": "failed" if code else "done",
        "exit_code": code,
        "bundle": reference,
        "model_sha256": card.files[MODEL_FILE],
        "classes": card.label_schema.classes,
        "files": [asdict(prediction) for prediction in predictions],
    }


def _table(predictions: Sequence[Prediction], classes: Sequence[str]) -> str:
    """Plain aligned text, one line per file."""
    shown = list(classes) if len(classes) <= MOST_CLASSES else []
    rows = [["file", "label", "probability", *shown, "note"]]
    rows += [_row(prediction, shown) for prediction in predictions]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _row(prediction: Prediction, classes: Sequence[str]) -> list[str]:
    file = "".join(char if char.isprintable() else "�" for char in prediction.file)
    if prediction.error is not None:
        return [file, "-", "-", *("-" for _ in classes), f"not read: {prediction.error}"]
    each = [f"{prediction.probabilities[name]:.3f}" for name in classes]
    return [file, prediction.label or "-", f"{prediction.probability:.3f}", *each, prediction.note]
