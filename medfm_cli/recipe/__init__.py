"""Recipes: YAML in, strict typed objects out, every problem with its place.

The names are imported when first used: listing recipes must not wait for pydantic.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medfm_cli.recipe.parts import Auto, Part, Recipe
    from medfm_cli.recipe.problems import Place, Problem
    from medfm_cli.recipe.registry import Registry

__all__ = ["Auto", "Part", "Place", "Problem", "Recipe", "Registry"]

_HOMES = {"Place": "problems", "Problem": "problems", "Registry": "registry"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'parts')}"), name)
