"""Recipes: YAML in, strict typed objects out, every problem with its place."""

from medfm_cli.recipe.parts import Auto, Part, Plan, Recipe
from medfm_cli.recipe.problems import Place, Problem
from medfm_cli.recipe.registry import Registry

__all__ = ["Auto", "Part", "Place", "Plan", "Problem", "Recipe", "Registry"]
