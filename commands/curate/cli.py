"""`medfm curate RECIPE`, and `medfm curate --diff OLD NEW`."""

from __future__ import annotations

from typing import Annotated

import typer

from medfm_cli.cli.options import Options, level_of
from medfm_cli.cli.signature import (
    DryRun,
    Force,
    Json,
    Out,
    Overrides,
    Processes,
    Quiet,
    RecipeName,
    Verbose,
)


def command(
    recipe: RecipeName,
    overrides: Overrides = None,
    diff: Annotated[
        bool,
        typer.Option("--diff", help="Compare two datasets, OLD and NEW."),
    ] = False,
    out: Out = "runs",
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    force: Force = False,
    processes: Processes = 1,
) -> None:
    """Turn raw files into a dataset: read, check, de-identify, deduplicate, split, write.

    Every file that is left out is listed with the step and the reason. Try: medfm curate dicom
    source=DIR. With --diff give two datasets in place of recipe and overrides:
    medfm curate --diff OLD NEW
    """
    if diff:
        _compare([recipe, *(overrides or [])], as_json=json)
        return
    from medfm_cli.cli.command import run_verb

    options = Options(out, dry_run, json, level_of(quiet, verbose), force, processes)
    run_verb("curate", recipe, overrides or [], options)


command.__name__ = "curate"


def _compare(datasets: list[str], *, as_json: bool) -> None:
    """Print how two datasets differ."""
    from medfm_cli.console import Console
    from medfm_cli.envelope import emit, guarded

    with guarded(Console(), as_json=as_json):
        from medfm_cli.errors import UsageError

        if len(datasets) != 2:
            raise UsageError(
                f"--diff takes two datasets, not {len(datasets)}",
                hint="medfm curate --diff OLD NEW: run directories or dataset folders",
            )
        from medfm_cli.commands.curate.diff.difference import compare
        from medfm_cli.commands.curate.diff.text import as_text

        difference = compare(*datasets)
        if as_json:
            emit({"status": "done", "exit_code": 0, "verb": "curate", "diff": difference.to_json()})
        else:
            typer.echo(as_text(difference))
