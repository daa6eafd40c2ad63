"""The executable: every command by name, exit codes, and how errors end the process."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer
import typer.core

from medfm_cli.cli.groups import Group
from medfm_cli.commands import VERBS
from medfm_cli.version import __version__

if TYPE_CHECKING:
    from medfm_cli.processes.launched import Launched

# Plain help and errors: they start in half the time and read the same in a cron mail.
typer.core.HAS_RICH = False

WORKER = "MEDFM_WORKER_RUN_DIR"  # as in processes/spawned.py, which start-up need not import
RANKS = {"RANK", "SLURM_PROCID", "ACCELERATE_MIXED_PRECISION"}  # a launcher may have started this

HELP = """From raw hospital files to a deployed, documented model.

Each verb reads a YAML recipe: a file or the name of a shipped recipe (medfm recipes ls).
"""


def build() -> typer.Typer:
    """The command line, assembled from commands/*/cli.py (none of which imports a library)."""
    app = typer.Typer(
        name="medfm",
        cls=Group,
        help=HELP,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_options)
    for verb in VERBS:
        if not importlib.util.find_spec(
            f"medfm_cli.commands.{verb}"
        ) or not importlib.util.find_spec(f"medfm_cli.commands.{verb}.cli"):
            continue
        command = importlib.import_module(f"medfm_cli.commands.{verb}.cli").command
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=verb)
        else:
            app.command(name=verb)(command)
    return app


def main() -> None:
    """Run the command line; ends the process with one of the documented exit codes."""
    # Threads that spin while they wait starve each other on a shared machine: two of them train
    # a small model many times slower there than two that sleep (benchmarks/README.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if WORKER in os.environ:
        from medfm_cli.cli.command import work_if_worker

        work_if_worker()
    if RANKS & os.environ.keys():
        from medfm_cli.processes.launched import join_group

        join_group(sys.argv[1:], _command)
    else:
        _command(None)


def _command(launched: Launched | None) -> None:
    try:
        build()(prog_name="medfm", obj=launched)
    except SystemExit as stop:
        if stop.code == 2 and "--json" in sys.argv and not _printed():
            error = {"kind": "usage", "message": "the command line is wrong; stderr says how"}
            print(json.dumps({"status": "failed", "exit_code": 2, "error": error}))  # noqa: T201
        raise
    except Exception:  # a bug in a command line itself, before its own guard
        from medfm_cli.console import Console
        from medfm_cli.envelope import guarded

        with guarded(Console(), as_json="--json" in sys.argv):
            raise


def _printed() -> bool:
    """Whether a JSON document has already been printed."""
    from medfm_cli import envelope

    return envelope.printed


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"medfm {__version__}")
        raise typer.Exit


def _options(
    _version_requested: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


_options.__doc__ = HELP
