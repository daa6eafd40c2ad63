"""Verbs by name: the recipe class, the plan and the engine of each."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from medfm_cli.recipe.parts import Recipe
    from medfm_cli.runs import Plan, Result, Run


def recipe_model(verb: str) -> type[Recipe]:
    """The recipe class of a verb: the one class named `<Verb>Recipe` in its recipe.py."""
    module = importlib.import_module(f"medfm_cli.commands.{verb}.recipe")
    model: type[Recipe] = getattr(module, f"{verb.capitalize()}Recipe")
    return model


def inputs(verb: str, recipe: Recipe) -> dict[str, str]:
    """Content hashes of what the run reads, by the dotted key that names it.

    Raises:
        MedfmError: something that the recipe names is missing.
    """
    hashes: dict[str, str] = _plan_module(verb).inputs(recipe)
    return hashes


def plan(verb: str, recipe: Recipe) -> Plan:
    """What the run would do; writes nothing.

    Raises:
        MedfmError: the run cannot succeed: a dataset, an extra, a safe setting is missing.
    """
    planned: Plan = _plan_module(verb).plan(recipe)
    return planned


def _plan_module(verb: str) -> Any:
    return importlib.import_module(f"medfm_cli.commands.{verb}.plan")


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
