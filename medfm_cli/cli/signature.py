"""The command line of a verb: the signature that all verbs share."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from medfm_cli.cli.options import Options, level_of

Command = Any


RecipeName = Annotated[str, typer.Argument(help="A recipe file or the name of a shipped recipe.")]


Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="key.path=value sets a key of the recipe, ~key.path removes it."),
]


Out = Annotated[str, typer.Option("--out", help="Folder in which the run directory is made.")]


DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check everything, print the plan, write nothing.")
]


Json = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON document on stdout.")
]


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")]


Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more detail.")]


Force = Annotated[bool, typer.Option("--force", help="Start again, even when the run is done.")]


Processes = Annotated[
    int, typer.Option("--processes", min=1, help="Processes that train together.")
]
"""The parameters that all verbs have, for a command that has one more."""


def verb_command(verb: str, *, summary: str, details: str = "") -> Command:
    """The typer command of a verb that reads a recipe.

    `summary` is the one line of `medfm --help`; `details` follows it in `medfm VERB --help`.
    """

    def command(
        recipe: RecipeName,
        overrides: Overrides = None,
        out: Out = "runs",
        dry_run: DryRun = False,
        json: Json = False,
        quiet: Quiet = False,
        verbose: Verbose = False,
        force: Force = False,
        processes: Processes = 1,
    ) -> None:
        from medfm_cli.cli.command import run_verb

        options = Options(out, dry_run, json, level_of(quiet, verbose), force, processes)
        run_verb(verb, recipe, overrides or [], options)

    command.__name__ = verb
    command.__doc__ = f"{summary}\n\n{details}".strip()
    return command
