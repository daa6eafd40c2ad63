"""`medfm recipes ls|show|cp`."""

from __future__ import annotations

from typing import Annotated

import typer

from medfm_cli.cli.groups import Group

command = typer.Typer(
    cls=Group,
    help="List, show and copy the shipped recipes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(help="verb/name, or only the name if it is unique.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


@command.command("ls")
def ls(
    verb: Annotated[str | None, typer.Argument(help="Only the recipes of this verb.")] = None,
    json: Json = False,
) -> None:
    """List the shipped recipes."""
    from medfm_cli.commands.recipes.actions import list_recipes

    list_recipes(verb, as_json=json)


@command.command("show")
def show(name: Name, json: Json = False) -> None:
    """Print a recipe."""
    from medfm_cli.commands.recipes.actions import show_recipe

    show_recipe(name, as_json=json)


@command.command("cp")
def cp(
    name: Name,
    to: Annotated[str, typer.Argument(help="File or folder to copy it to.")] = ".",
    json: Json = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Copy a recipe to edit it."""
    from medfm_cli.commands.recipes.actions import copy_recipe

    copy_recipe(name, to, as_json=json, force=force)
