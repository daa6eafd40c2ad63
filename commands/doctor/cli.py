"""`medfm doctor`: versions, devices, memory, and missing packages; `medfm doctor DATASET`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path


def command(
    dataset: Annotated[
        str | None,
        typer.Argument(help="A dataset to check instead: every row and shard against its card."),
    ] = None,
    out: Annotated[str, typer.Option("--out", help="Folder in which runs would be written.")] = ".",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show versions, devices, memory, disk, decoders and missing extras; or check a dataset.

    Exits with 4 when something that every command needs is missing or broken, and with 3 when
    DATASET is damaged.
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
    """Print that a dataset is whole; gives the exit code.

    Raises:
        DataError: there is none, or a byte of it changed since it was written.
    """
    from medfm_cli.data.dataset import Dataset
    from medfm_cli.envelope import emit

    dataset = Dataset.open(path)
    dataset.verify()
    counts = {"samples": len(dataset), "shards": len(dataset.card.shards)}
    if json:
        identity = {"dataset": str(dataset.root), "version": dataset.version, **counts}
        emit({"status": "done", "exit_code": 0, **identity})
    else:
        typer.echo(
            f"the dataset '{dataset.root}' is whole: its {counts['samples']:,} samples in "
            f"{counts['shards']:,} shards have the hashes in its card"
        )
    return 0


def _existing(out: str) -> Path:
    """The nearest folder above `out` that exists: where `--out` would be made."""
    from pathlib import Path

    path = Path(out).absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
