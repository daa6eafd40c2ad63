"""`medfm doctor`: versions, devices, memory, and missing packages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path


def command(
    out: Annotated[str, typer.Option("--out", help="Folder in which runs would be written.")] = ".",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show versions, devices, memory, disk, decoders and missing extras.

    Exits with 4 if a package that every command needs is missing or broken.
    """
    from medfm_cli.console import Console
    from medfm_cli.envelope import emit, guarded

    with guarded(Console(), json_wanted=json):
        from medfm_cli.commands.doctor.diagnosis import diagnose
        from medfm_cli.commands.doctor.text import as_text
        from medfm_cli.errors import ExitCode

        diagnosis = diagnose(_existing(out))
        code = ExitCode.ENVIRONMENT if diagnosis.broken else ExitCode.DONE
        if json:
            status = "failed" if diagnosis.broken else "done"
            emit({"status": status, "exit_code": int(code), **diagnosis.to_json()})
        else:
            typer.echo(as_text(diagnosis))
        raise SystemExit(int(code))


command.__name__ = "doctor"


def _existing(out: str) -> Path:
    """The nearest folder above `out` that exists: where `--out` would be made."""
    from pathlib import Path

    path = Path(out).absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
