"""`medfm doctor`: versions, devices, memory, and missing packages; `medfm doctor RUN`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path


def command(
    dataset: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATASET|MODEL|BUNDLE|RUN]",
            help="Check this instead: every file against the hashes that were written with it.",
        ),
    ] = None,
    out: Annotated[str, typer.Option("--out", help="Folder in which runs would be written.")] = ".",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show versions, devices, memory, disk, decoders and missing extras; or check an artefact.

    Exits with 4 when something that every command needs is missing or broken, and with 3 when the
    dataset, model, bundle or run is damaged.
    """
    from medfm_cli.console import Console
    from medfm_cli.envelope import guarded

    with guarded(Console(), as_json=json):
        code = _diagnose(out, json=json) if dataset is None else _check(dataset, json=json)
        raise SystemExit(code)


command.__name__ = "doctor"


def _diagnose(out: str, *, json: bool) -> int:
    """Print what is installed and what the machine has; gives the exit code."""
    from medfm_cli.commands.doctor.diagnosis import diagnose
    from medfm_cli.commands.doctor.text import as_text
    from medfm_cli.envelope import emit
    from medfm_cli.errors import ExitCode

    diagnosis = diagnose(_existing(out))
    code = int(ExitCode.ENVIRONMENT if diagnosis.broken else ExitCode.DONE)
    if json:
        status = "failed" if diagnosis.broken else "done"
        emit({"status": status, "exit_code": code, **diagnosis.to_json()})
    else:
        typer.echo(as_text(diagnosis))
    return code


def _check(path: str, *, json: bool) -> int:
    """Print that an artefact, or all artefacts of a run, are whole; gives the exit code.

    Raises:
        DataError: there is none, or a byte of it changed since it was written.
    """
    from medfm_cli.commands.doctor.artefacts import check
    from medfm_cli.envelope import emit

    checked = check(path)
    if json:
        found = [item.to_json() for item in checked]
        emit({"status": "done", "exit_code": 0, **(found[0] if found else {}), "checked": found})
    for item in () if json else checked:
        typer.echo(f"the {item.kind} '{item.path}' is whole: {item.sentence}")
    if not checked and not json:
        typer.echo(f"the run '{path}' is finished; it wrote no dataset, model or bundle")
    return 0


def _existing(out: str) -> Path:
    """The nearest folder above `out` that exists: where `--out` would be made."""
    from pathlib import Path

    path = Path(out).absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
