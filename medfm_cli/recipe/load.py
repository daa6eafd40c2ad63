"""From a recipe file and overrides to a typed recipe, or to all of its problems."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from medfm_cli.errors import RecipeError, UsageError
from medfm_cli.recipe.overrides import apply_overrides
from medfm_cli.recipe.parts import Recipe
from medfm_cli.recipe.problems import Problem, in_order
from medfm_cli.recipe.shipping import locate, recipe_name, root
from medfm_cli.recipe.tree import Key, Tree, dotted, read_file
from medfm_cli.recipe.validate import problems_of, too_large


@dataclass(frozen=True)
class Loaded:
    """A recipe, checked.

    Attributes:
        name: the recipe's name, from its file.
        recipe: the typed recipe.
        tree: the values after `extends` and overrides, as written by the user.
    """

    name: str
    recipe: Recipe
    tree: Tree


def load(recipe: str, overrides: list[str], *, verb: str, model: type[Recipe]) -> Loaded:
    """Read, extend, override and check a recipe.

    Raises:
        UsageError: there is no such recipe.
        RecipeError: with every problem found.
    """
    path = locate(recipe, verb)
    tree = read_extended(path, verb)
    apply_overrides(tree, overrides)
    return Loaded(recipe_name(path), check(tree, model), tree)


def check(tree: Tree, model: type[Recipe]) -> Recipe:
    """The typed recipe for a tree.

    Raises:
        RecipeError: with every problem found.
    """
    problems: list[Problem] = []
    specialised = model.specialise(tree.value, problems)
    problems = [_placed(problem, tree) for problem in problems]
    try:
        recipe = specialised.model_validate(copy.deepcopy(tree.value))
    except ValidationError as error:
        problems += problems_of(error, tree, specialised)
    problems += too_large(tree)
    if problems:
        raise RecipeError(in_order(problems))
    return recipe


def _placed(problem: Problem, tree: Tree) -> Problem:
    """A problem that knows its key only, with the place where that key is written."""
    path = tuple(problem.key.split(".")) if problem.key else ()
    return replace(problem, place=tree.place(path, of_key=True))


def read_extended(path: Path, verb: str, chain: tuple[Path, ...] = ()) -> Tree:
    """Read a recipe file with the recipes that it extends underneath."""
    if path.resolve() in chain:
        names = " → ".join(p.name for p in (*chain, path))
        raise UsageError(f"the recipe '{path}' extends itself: {names}", hint="break the circle")
    tree = read_file(path, shown=_shown(path))
    chain = (*chain, path.resolve())
    if verb == "run":
        for stage, block in list(tree.value.items()):
            if isinstance(block, dict) and "extends" in block:
                _extend(tree, (stage,), str(block.get("verb", stage)), path.parent, chain)
    _extend(tree, (), verb, path.parent, chain)
    return tree


def _extend(tree: Tree, at: Key, verb: str, folder: Path, chain: tuple[Path, ...]) -> None:
    """Lay the block of `tree` at `at` on the recipes that its `extends` names."""
    block = tree.value[at[0]] if at else tree.value
    bases = block.pop("extends", None)
    place = tree.place((*at, "extends"))
    tree.forget((*at, "extends"))
    if bases is None:
        return
    merged = Tree({})
    for name in bases if isinstance(bases, list) else [bases]:
        try:
            base = locate(str(name), verb, relative_to=folder)
        except UsageError as error:
            problem = Problem(place, dotted((*at, "extends")), error.message, error.hint or "")
            raise RecipeError([problem]) from None
        _merge(merged, read_extended(base, verb, chain))
    _merge(merged, tree.part(at))
    tree.replace(at, merged)


def _merge(base: Tree, over: Tree) -> None:
    """Lay `over` on `base`: blocks are merged key by key, everything else is replaced."""

    def lay(below: dict[str, Any], above: dict[str, Any], path: Key) -> None:
        for key, value in above.items():
            here = (*path, key)
            if isinstance(value, dict) and isinstance(below.get(key), dict):
                lay(below[key], value, here)
            else:
                base.forget(here)
                below[key] = value

    lay(base.value, over.value, ())
    base.adopt(over)


def _shown(path: Path) -> str:
    """Shipped recipes are shown by name: where they are installed helps nobody."""
    shipped = root()
    if path.is_relative_to(shipped):
        return f"{path.relative_to(shipped)}"
    return str(path)
