"""A verb's command: the signature that all verbs share, and its way to recipe and engine."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from medfm_cli.recipe.parts import Recipe
    from medfm_cli.runs import Result, Run

Command = Any


@dataclass(frozen=True)
class Options:
    """The options that every verb has.

    Attributes:
        out: the folder in which run directories are made.
        dry_run: print the plan and touch nothing.
        json: print exactly one JSON document on stdout.
        level: 0 quiet, 1 normal, 2 verbose.
        force: start anew what is already done.
        processes: how many processes train together.
    """

    out: str = "runs"
    dry_run: bool = False
    json: bool = False
    level: int = 1
    force: bool = False
    processes: int = 1


RecipeName = Annotated[str, typer.Argument(help="A recipe file, or the name of one that ships.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="key.path=value sets a key of the recipe, ~key.path removes it."),
]
Out = Annotated[str, typer.Option("--out", help="Folder in which the run directory is made.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check everything, show the plan, touch nothing.")
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON document on stdout.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but warnings and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]
Force = Annotated[bool, typer.Option("--force", help="Start anew, even when the run is done.")]
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
        from medfm_cli.command import run_verb

        options = Options(out, dry_run, json, level_of(quiet, verbose), force, processes)
        run_verb(verb, recipe, overrides or [], options)

    command.__name__ = verb
    command.__doc__ = f"{summary}\n\n{details}".strip()
    return command


def level_of(quiet: bool, verbose: bool) -> int:
    """How much the console says: 0 quiet, 1 normal, 2 verbose."""
    return 0 if quiet else 2 if verbose else 1


def recipe_model(verb: str) -> type[Recipe]:
    """The recipe class of a verb: the one class named `<Verb>Recipe` in its recipe.py."""
    module = importlib.import_module(f"medfm_cli.commands.{verb}.recipe")
    model: type[Recipe] = getattr(module, f"{verb.capitalize()}Recipe")
    return model


def engine(verb: str) -> Callable[[Any, Run], Result]:
    """The engine of a verb; imports whatever heavy libraries it stands on.

    Raises:
        EnvironmentProblem: a library is missing; the hint names the extra that brings it.
    """
    try:
        module = importlib.import_module(f"medfm_cli.commands.{verb}.engine")
    except ModuleNotFoundError as error:
        package = (error.name or "medfm_cli").partition(".")[0]
        if package == "medfm_cli":
            raise
        from medfm_cli.extras import missing

        raise missing(package, extra="train") from None
    run: Callable[[Any, Run], Result] = module.run
    return run


def has_recipe(verb: str) -> bool:
    """Whether a command is a verb that reads a recipe."""
    return importlib.util.find_spec(f"medfm_cli.commands.{verb}.recipe") is not None
