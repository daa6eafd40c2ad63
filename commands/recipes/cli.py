"""`medfm recipes ls|show|cp`."""

from __future__ import annotations

from typing import Annotated

import typer

from medfm_cli.cli.groups import Group

command = typer.Typer(
    cls=Group,
    help="List, show and copy the recipes that ship.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(help="verb/name, or the name alone where it is clear.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


@command.command("ls")
def ls(
    verb: Annotated[str | None, typer.Argument(help="Only the recipes of this verb.")] = None,
    json: Json = False,
) -> None:
    """List the recipes that ship."""
    from medfm_cli.commands.recipes.actions import list_recipes

    list_recipes(verb, json_wanted=json)


@command.command("show")
def show(name: Name, json: Json = False) -> None:
    """Print a recipe as it is written."""
    from medfm_cli.commands.recipes.actions import show_recipe

    show_recipe(name, json_wanted=json)


@command.command("cp")
def cp(
    name: Name,
    to: Annotated[str, typer.Argument(help="File or folder to copy it to.")] = ".",
    json: Json = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Copy a recipe, to change it."""
    from medfm_cli.commands.recipes.actions import copy_recipe

    copy_recipe(name, to, json_wanted=json, force=force)
