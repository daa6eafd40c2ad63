"""The recipe of a pipeline: its stages are recipes of other verbs."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ConfigDict, Field, create_model

from medfm_cli.commands import VERBS
from medfm_cli.errors import UsageError
from medfm_cli.recipe import Place, Problem, Recipe
from medfm_cli.recipe.problems import did_you_mean
from medfm_cli.verbs import has_recipe, recipe_model

RESERVED = frozenset(Recipe.model_fields)


class RunRecipe(Recipe):
    """A pipeline. Every key besides `description` and `seed` is a stage."""

    def stages(self) -> dict[str, Recipe]:
        """The recipes of the stages, by name, in their order."""
        return {
            name: getattr(self, name) for name in type(self).model_fields if name not in RESERVED
        }

    def verb_of(self, stage: str) -> str:
        """The verb that a stage runs."""
        verb: str = type(self).__pydantic_fields__[stage].json_schema_extra["verb"]  # type: ignore[index,assignment]
        return verb

    @classmethod
    def specialise(cls, tree: dict[str, Any], problems: list[Problem]) -> type[Recipe]:
        """A class with one field for each stage, so that stages are checked like any recipe."""
        stages: dict[str, Any] = {}
        for name, block in tree.items():
            if name in RESERVED:
                continue
            try:
                verb = _verb(name, block)
            except UsageError as error:
                problems.append(Problem(Place("recipe"), name, error.message, error.hint or ""))
                continue
            problems += _dangling(name, block, list(stages))
            model = recipe_model(verb)
            stages[name] = (
                create_model(model.__name__, __base__=model, verb=(str, verb)),
                Field(json_schema_extra={"verb": verb}),
            )
        if not stages and not problems:
            problems.append(Problem(Place("recipe"), "", "a pipeline has at least one stage"))
        # A block that is not a stage has its own problem and is not also an unknown key.
        reported = any(problem.key in tree for problem in problems)
        config = ConfigDict(extra="ignore" if reported else "forbid")
        base = type(cls.__name__, (cls,), {"model_config": config})
        return create_model(cls.__name__, __base__=base, **stages)


def references(value: Any) -> list[str]:
    """The names of the stages that `$name` values refer to, each once."""
    if isinstance(value, str):
        return [value[1:]] if value.startswith("$") else []
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return list(dict.fromkeys(name for item in items for name in references(item)))


def resolved(value: Any, folders: dict[str, str]) -> Any:
    """The value with every `$name` replaced by that stage's run directory."""
    if isinstance(value, str):
        return folders[value[1:]] if value.startswith("$") else value
    if isinstance(value, dict):
        return {key: resolved(item, folders) for key, item in value.items()}
    return [resolved(item, folders) for item in value] if isinstance(value, list) else value


def _verb(stage: str, block: Any) -> str:
    verbs = [verb for verb in VERBS if verb != "run" and has_recipe(verb)]
    if not isinstance(block, dict):
        hint = did_you_mean(stage, [*verbs, *RESERVED])
        raise UsageError(f"'{stage}' is not a stage: a stage is a block of keys", hint=hint)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", stage) or hasattr(RunRecipe, stage):
        raise UsageError(
            f"'{stage}' cannot be the name of a stage",
            hint="use only letters, digits, - and _",
        )
    verb = block.get("verb", stage)
    if verb not in verbs:
        hint = did_you_mean(str(verb), verbs) or f"write verb: {' | '.join(verbs)}"
        raise UsageError(f"there is no verb '{verb}' for the stage '{stage}'", hint=hint)
    return str(verb)


def _dangling(stage: str, block: dict[str, Any], earlier: list[str]) -> list[Problem]:
    return [
        Problem(
            Place("recipe"),
            f"{stage}.{key}",
            f"'${name}' is not a stage before '{stage}'",
            did_you_mean(name, earlier) or f"earlier stages: {', '.join(earlier) or 'none'}",
        )
        for key, value in block.items()
        for name in references(value)
        if name not in earlier
    ]
