"""Predictions for files, as a table or a JSON document on stdout."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from medfm_cli.envelope import emit
from medfm_cli.errors import DataError, ExitCode
from medfm_cli.inference.bundle import BUNDLE_FILE, MODEL_FILE, Bundle, open_bundle
from medfm_cli.inference.files import ListedFile, list_files
from medfm_cli.inference.predictor import Prediction, Predictor
from medfm_cli.runs.artefacts import find, holds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medfm_cli.console import Console

MOST_CLASSES = 8
"""With up to this many classes the table has a column for each; --json always has all."""
MOST_NAMES = 5
"""A warning names up to this many files; --json always has all."""


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
        DataError: the bundle is invalid, damaged, or contains an encoder; a folder holds no image.
    """
    bundle = open_bundle(_folder(reference))
    predictor = Predictor(bundle, batch=batch, threads=threads)
    predictions, skipped = _predict(predictor, list_files(files), console)
    if not predictions:
        raise DataError(
            f"none of the {len(skipped)} files is an image: {_named(skipped)}",
            hint="give image files, or a folder with image files",
        )
    failed = sum(prediction.error is not None for prediction in predictions)
    code = int(ExitCode.DATA if failed else ExitCode.DONE)
    if as_json:
        emit(_document(bundle, reference, predictions, skipped, code))
    else:
        typer.echo(_table(predictions, bundle.card.label_schema.classes))
    if skipped:
        console.warn(f"{_count(len(skipped), 'file')} left out, not an image: {_named(skipped)}")
    if failed:
        rest = len(predictions) - failed
        others = f"{_count(rest, 'file')} predicted" if rest else "no file is predicted"
        console.error(
            f"{failed} of {_count(len(predictions), 'file')} could not be read",
            f"{others}; the reasons are in the output",
        )
    return code


def _predict(
    predictor: Predictor, files: Sequence[ListedFile], console: Console
) -> tuple[list[Prediction], list[ListedFile]]:
    """The predictions, and the files of folders that hold no image."""
    skipped = [file for file in files if file.skipped]
    opened = [file for file in files if not file.skipped]
    predictions = []
    with console.progress("predict", total=len(opened), unit="files") as meter:
        answers = predictor.predict(file.path for file in opened)
        for file, prediction in zip(opened, answers, strict=True):
            if prediction.is_image or file.named:
                predictions.append(prediction)
            else:
                skipped.append(replace(file, skipped=prediction.error or ""))
            meter.advance()
    return predictions, skipped


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _named(files: Sequence[ListedFile]) -> str:
    """The first files with the reasons, and how many more there are."""
    names = [f"{_printable(file.path)} ({file.skipped})" for file in files[:MOST_NAMES]]
    more = len(files) - len(names)
    return ", ".join([*names, *([f"and {more} more"] if more else [])])


def _folder(reference: str) -> Path:
    """The bundle's folder; a pipeline's run directory works if one stage exported a bundle."""
    if not holds(reference, "bundle"):
        inside = {path.resolve().parent for path in Path(reference).glob(f"*/bundle/{BUNDLE_FILE}")}
        if len(inside) == 1:
            return inside.pop()
    return find(reference, "bundle")


def _document(
    bundle: Bundle,
    reference: str,
    predictions: Sequence[Prediction],
    skipped: Sequence[ListedFile],
    code: int,
) -> dict[str, Any]:
    card = bundle.card
    return {
        "status": "failed" if code else "done",
        "exit_code": code,
        "bundle": reference,
        "model_sha256": card.files[MODEL_FILE],
        "classes": card.label_schema.classes,
        "files": [_values(prediction) for prediction in predictions],
        "skipped": [{"file": file.path, "reason": file.skipped} for file in skipped],
    }


def _values(prediction: Prediction) -> dict[str, Any]:
    values = asdict(prediction)
    del values["is_image"]
    return values


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
    file = _printable(prediction.file)
    if prediction.error is not None:
        return [file, "-", "-", *("-" for _ in classes), f"not read: {prediction.error}"]
    each = [f"{prediction.probabilities[name]:.3f}" for name in classes]
    probability = "-" if prediction.probability is None else f"{prediction.probability:.3f}"
    return [file, prediction.label or "-", probability, *each, prediction.note]


def _printable(path: str) -> str:
    return "".join(char if char.isprintable() else "�" for char in path)
