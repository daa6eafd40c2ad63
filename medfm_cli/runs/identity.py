"""What makes two runs the same run: the recipe and the content of the data it names."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from medfm_cli.recipe.parts import Recipe


def identity(verb: str, recipe: Recipe, inputs: dict[str, str]) -> dict[str, Any]:
    """The JSON value whose hash names the run directory.

    Where the recipe names an input, its content hash stands instead of its path: data that moved
    are the same data. Keys that only matter to the execution are left out.
    """
    values = without(recipe.model_dump(mode="json"), recipe.execution_only_keys)
    for key, content in inputs.items():
        _replace(values, key.split("."), content)
    return {"verb": verb, "recipe": values, "inputs": inputs}


def digest(value: Any) -> str:
    """sha256 of a JSON value in canonical form, as 64 hex digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def folder_name(verb: str, name: str, hash_: str | None = None) -> str:
    """`verb-name-hash8`, or without a hash the name of the link to the newest finished run."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "recipe"
    stem = safe if safe == verb else f"{verb}-{safe}"
    return f"{stem}-{hash_[:8]}" if hash_ else stem


def without(values: dict[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """The values of a recipe less some (dotted) keys."""
    kept = copy.deepcopy(values)
    for key in keys:
        _remove(kept, key.split("."))
    return kept


def _remove(values: Any, path: list[str]) -> None:
    for part in path[:-1]:
        values = values.get(part) if isinstance(values, dict) else None
    if isinstance(values, dict):
        values.pop(path[-1], None)


def _replace(values: dict[str, Any], path: list[str], content: str) -> None:
    for part in path[:-1]:
        inner = values.get(part)
        if not isinstance(inner, dict):
            return
        values = inner
    if path[-1] in values:
        values[path[-1]] = content
