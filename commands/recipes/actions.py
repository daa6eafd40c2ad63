"""The actions of `medfm recipes`."""

from __future__ import annotations

import sys
from pathlib import Path

from medfm_cli.commands import VERBS
from medfm_cli.console import Console
from medfm_cli.envelope import emit, guarded
from medfm_cli.errors import UsageError
from medfm_cli.recipe.problems import did_you_mean
from medfm_cli.recipe.shipping import find, shipped
from medfm_cli.runs.atomic import write_bytes


def list_recipes(verb: str | None, *, as_json: bool) -> None:
    """Print name and summary of every recipe, or of the recipes of one verb."""
    with guarded(Console(), as_json=as_json):
        if verb is not None and verb not in VERBS:
            hint = did_you_mean(verb, VERBS) or f"verbs: {', '.join(VERBS)}"
            raise UsageError(f"there is no verb '{verb}'", hint=hint)
        order = {name: position for position, name in enumerate(VERBS)}
        recipes = sorted(shipped(verb), key=lambda r: (order.get(r.verb, 99), r.name))
        if as_json:
            rows = [{"name": r.full_name, "verb": r.verb, "summary": r.summary} for r in recipes]
            emit({"status": "done", "exit_code": 0, "recipes": rows})
            return
        width = max((len(r.full_name) for r in recipes), default=0)
        for recipe in recipes:
            sys.stdout.write(f"{recipe.full_name:<{width}}  {recipe.summary}\n")


def show_recipe(name: str, *, as_json: bool) -> None:
    """Print a recipe's text."""
    with guarded(Console(), as_json=as_json):
        recipe = find(name)
        text = recipe.path.read_text("utf-8")
        if as_json:
            emit({"status": "done", "exit_code": 0, "name": recipe.full_name, "text": text})
        else:
            sys.stdout.write(text)


def copy_recipe(name: str, to: str, *, as_json: bool, force: bool) -> None:
    """Copy a recipe to a file or into a folder; an existing file is replaced only with `force`."""
    with guarded(Console(), as_json=as_json):
        recipe = find(name)
        target = Path(to)
        if target.is_dir():
            target = target / recipe.path.name
        if target.exists() and not force:
            raise UsageError(f"'{target}' already exists", hint="choose another name, or --force")
        write_bytes(target, recipe.path.read_bytes())
        if as_json:
            emit({"status": "done", "exit_code": 0, "path": str(target)})
        else:
            sys.stdout.write(f"{target}\n")
