"""The report of a run, made from what the run directory holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medfm_cli.runs.atomic import write_text
from medfm_cli.runs.cells import duration
from medfm_cli.runs.page import Stage, render_page
from medfm_cli.runs.result import Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medfm_cli.runs.blocks import Cell


def write_report(folder: Path, recipe: Mapping[str, str] | None = None) -> None:
    """Write report.html of a finished run; a dataset gets a copy of its own beside its shards.

    Args:
        folder: the run directory.
        recipe: texts for the appendix of the dataset's copy, which says nothing of the machine or
            of how the work was done: the same files give the same bytes.
    """
    document = read(folder)
    result = Result.from_json(document)
    stages = [_stage(folder, name, path) for name, path in result.stages.items()]
    facts: dict[str, Cell] = {"Run": document["hash"][:8], "medfm": document["medfm"]}
    here = {"Machine": _machine(folder), "Time": duration(document["seconds"])}
    pages = [(folder / "report.html", facts | here, _appendix(folder))]
    if "dataset" in result.artefacts and document["verb"] == "curate":
        pages.append((folder / result.artefacts["dataset"] / "report.html", facts, recipe or {}))
    for path, shown, appendix in pages:
        page = render_page(
            folder,  # figures lie in the run directory, for the dataset's copy too
            title=document["name"],
            subtitle=document["headline"],
            verb=document["verb"],
            facts=shown,
            sections=result.sections,
            stages=stages,
            appendix=appendix,
        )
        write_text(path, page)


def read(folder: Path) -> dict[str, Any]:
    """The result.json of a run directory."""
    document: dict[str, Any] = json.loads((folder / "result.json").read_text("utf-8"))
    return document


def _stage(folder: Path, name: str, path: str) -> Stage:
    document = read(folder / path)
    result = Result.from_json(document)
    return Stage(
        name=name,
        verb=document["verb"],
        status="done",
        root=folder / path,
        seconds=document["seconds"],
        summary=document["headline"],
        sections=result.sections,
    )


def _machine(folder: Path) -> str:
    environment = json.loads((folder / "environment.json").read_text("utf-8"))
    return f"{environment['cores']} cores, {environment['memory_bytes'] / 2**30:.0f} GiB"


def _appendix(folder: Path) -> Mapping[str, str]:
    return {
        "Recipe": (folder / "recipe.yaml").read_text("utf-8"),
        "Resolved recipe": (folder / "recipe.resolved.yaml").read_text("utf-8"),
        "Environment": (folder / "environment.json").read_text("utf-8"),
    }
