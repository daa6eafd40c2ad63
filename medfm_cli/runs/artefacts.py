"""Finding what one verb wrote for the next: a dataset, a model, a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from medfm_cli.errors import DataError
from medfm_cli.recipe.problems import did_you_mean

Kind = Literal["dataset", "model", "bundle"]
MARKS: dict[Kind, str] = {
    "dataset": "dataset.json",
    "model": "config.json",
    "bundle": "bundle.json",
}
"""The file by which each artefact is known."""


def find(reference: str | Path, kind: Kind) -> Path:
    """The folder of an artefact: the path itself, or the artefact inside a run directory.

    Raises:
        DataError: it is not there, or the run that should have written it is not finished.
    """
    path = Path(reference)
    if (path / MARKS[kind]).is_file():
        return path
    if (path / kind / MARKS[kind]).is_file():
        return path / kind
    raise _not_found(path, kind)


def holds(reference: str | Path, kind: Kind) -> bool:
    """Whether `find` would find the artefact."""
    path = Path(reference)
    return any((folder / MARKS[kind]).is_file() for folder in (path, path / kind))


def _not_found(path: Path, kind: Kind) -> DataError:
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, siblings) or f"give a {kind} folder or a run directory"
        return DataError(f"there is no {kind} at '{path}': the path does not exist", hint=hint)
    if (path / "recipe.yaml").is_file() and not (path / "DONE").is_file():
        return DataError(
            f"the run in '{path}' is not finished, so it has no {kind} yet",
            hint="run its command again to finish it",
        )
    others = [other for other in MARKS if other != kind and holds(path, other)]
    other = f"; it holds a {others[0]}" if others else ""
    return DataError(
        f"'{path}' is not a {kind}: it has no {MARKS[kind]}{other}",
        hint=f"give a {kind} folder or the run directory that wrote one",
    )
