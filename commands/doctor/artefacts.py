"""Datasets, models, bundles and runs, checked to the last byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medfm_cli.errors import DataError
from medfm_cli.runs.artefacts import MARKS, Kind, find, holds
from medfm_cli.runs.inventory import changed_file

_AGAIN = "run its command again: what was damaged is made again"


@dataclass(frozen=True)
class Checked:
    """An artefact that is whole: where it is, what names it, and what was checked."""

    kind: Kind
    path: Path
    name: dict[str, Any]
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {self.kind: str(self.path), **self.name}


def check(reference: str) -> list[Checked]:
    """Check a dataset, a model, a bundle, or all that a run wrote.

    Raises:
        DataError: there is nothing of the kind, or a byte of it changed since it was written.
    """
    path = Path(reference)
    if (path / "recipe.yaml").is_file():
        return list(_run(path))
    kinds = [kind for kind in MARKS if holds(path, kind)]
    if not kinds:
        find(path, "dataset")  # says what is there instead
    return [_CHECKS[kind](find(path, kind)) for kind in kinds]


def _run(folder: Path) -> Iterator[Checked]:
    """The artefacts of a run, or of the stages of a pipeline."""
    if not (folder / "DONE").is_file():
        raise DataError(
            f"the run in '{folder}' is not finished", hint="run its command again to finish it"
        )
    try:
        result = json.loads((folder / "result.json").read_text("utf-8"))
        stages, artefacts = result["stages"], result["artefacts"]
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"{folder / 'result.json'} is damaged", hint=_AGAIN) from None
    if stages:
        for stage in stages.values():
            yield from _run(folder / stage)
        return
    if name := changed_file(folder, all_bytes=True):
        raise DataError(f"{folder / name} was changed after it was written", hint=_AGAIN)
    for path in artefacts.values():
        for kind in (kind for kind, mark in MARKS.items() if (folder / path / mark).is_file()):
            yield _CHECKS[kind](folder / path)


def _dataset(path: Path) -> Checked:
    from medfm_cli.data.dataset import Dataset

    dataset = Dataset.open(path)
    dataset.verify()
    counts = {"samples": len(dataset), "shards": len(dataset.card.shards)}
    return Checked(
        "dataset",
        dataset.root,
        {"version": dataset.version, **counts},
        f"its {counts['samples']:,} samples in {counts['shards']:,} shards have the hashes in its "
        "card",
    )


def _model(path: Path) -> Checked:
    from medfm_cli.extras import installed
    from medfm_cli.models.config import WEIGHTS_FILE, read_config, verified_file

    config = read_config(path)
    for name, expected in {WEIGHTS_FILE: config.weights_sha256, **config.files}.items():
        verified_file(path, name, expected)
    loaded = ""
    if installed("torch"):
        from medfm_cli.models.directory import load_model

        load_model(path)
        loaded = ", and they are finite numbers"
    facts = {"weights_sha256": config.weights_sha256, "parameters": config.parameters}
    return Checked(
        "model",
        path,
        facts,
        f"its {config.parameters:,} parameters have the hash in its config{loaded}",
    )


def _bundle(path: Path) -> Checked:
    from medfm_cli.inference.bundle import MODEL_FILE, open_bundle
    from medfm_cli.inference.session import OnnxSession

    bundle = open_bundle(path)
    OnnxSession(bundle.model, threads=1)
    files = bundle.card.files
    return Checked(
        "bundle",
        path,
        {"model_sha256": files[MODEL_FILE], "files": len(files)},
        f"its {len(files)} files have the hashes in {MARKS['bundle']}, and ONNX Runtime loads it",
    )


_CHECKS = {"dataset": _dataset, "model": _model, "bundle": _bundle}
