"""Overrides on the command line: `a.b=c` sets, `~a.b` removes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medfm_cli.errors import RecipeError
from medfm_cli.recipe.problems import Place, Problem, did_you_mean
from medfm_cli.recipe.tree import Key, dotted, scalar

if TYPE_CHECKING:
    from medfm_cli.recipe.tree import Tree


def apply_overrides(tree: Tree, overrides: list[str]) -> None:
    """Change `tree` in place, one override after the other.

    Raises:
        RecipeError: with every override that cannot be applied.
    """
    problems: list[Problem] = []
    for text in overrides:
        place = Place(f"override '{text}'")
        try:
            _apply(tree, text, place)
        except RecipeError as error:
            problems += [Problem(place, p.key, p.message, p.fix) for p in error.problems]
    if problems:
        raise RecipeError(problems)


def _apply(tree: Tree, text: str, place: Place) -> None:
    if text.startswith("~"):
        _remove(tree, _path(text[1:], place), place)
        return
    name, equals, value = text.partition("=")
    if not equals:
        fix = "write key.path=value, or ~key.path to remove a key"
        raise RecipeError([Problem(place, "", "this is no override", fix)])
    _set(tree, _path(name, place), scalar(value), place)


def _path(name: str, place: Place) -> list[str]:
    parts = name.split(".")
    if not all(part.strip() for part in parts):
        raise RecipeError([Problem(place, name, "a part of the key is empty", "write a.b.c")])
    return parts


def _set(tree: Tree, parts: list[str], value: Any, place: Place) -> None:
    holder, path = _descend(tree, parts[:-1], place, create=True)
    key = _index(holder, parts[-1], (*path, parts[-1]), place, may_append=True)
    if isinstance(holder, list) and key == len(holder):
        holder.append(value)
    else:
        holder[key] = value
    here = (*path, key)
    tree.forget(here)
    tree.keys[here] = tree.values[here] = place


def _remove(tree: Tree, parts: list[str], place: Place) -> None:
    holder, path = _descend(tree, parts[:-1], place, create=False)
    key = _index(holder, parts[-1], (*path, parts[-1]), place)
    if isinstance(holder, dict) and key not in holder:
        raise _absent((*path, key), holder, place)
    del holder[key]
    if isinstance(holder, list):
        tree.close_up((*path, key))
    else:
        tree.forget((*path, key))


def _descend(tree: Tree, parts: list[str], place: Place, *, create: bool) -> tuple[Any, Key]:
    holder: Any = tree.value
    path: Key = ()
    for part in parts:
        key = _index(holder, part, (*path, part), place)
        if isinstance(holder, dict) and (key not in holder or holder[key] is None):
            if not create:
                raise _absent((*path, key), holder, place)
            holder[key] = {}
            tree.keys.setdefault((*path, key), place)
        holder, path = holder[key], (*path, key)
        if not isinstance(holder, dict | list):
            message = f"'{dotted(path)}' is a single value, not a block"
            fix = f"set {dotted(path)} itself"
            raise RecipeError([Problem(place, dotted(path), message, fix)])
    return holder, path


def _index(holder: Any, part: str, path: Key, place: Place, *, may_append: bool = False) -> Any:
    if isinstance(holder, dict):
        return part
    last = len(holder) if may_append else len(holder) - 1
    if part.isascii() and part.isdigit() and int(part) <= last:
        return int(part)
    message = f"the list '{dotted(path[:-1])}' has {len(holder)} items; '{part}' is none of them"
    raise RecipeError([Problem(place, dotted(path), message, f"use 0 to {last}")])


def _absent(path: Key, holder: dict[str, Any], place: Place) -> RecipeError:
    fix = did_you_mean(str(path[-1]), holder)
    return RecipeError([Problem(place, dotted(path), "there is no such key to remove", fix)])
