"""The action of `medfm schema`."""

from __future__ import annotations

from typing import Any

from medfm_cli.commands import VERBS
from medfm_cli.console import Console
from medfm_cli.envelope import emit, guarded
from medfm_cli.errors import UsageError
from medfm_cli.recipe.load import read_extended
from medfm_cli.recipe.problems import did_you_mean
from medfm_cli.recipe.shipping import find
from medfm_cli.verbs import has_recipe, recipe_model


def print_schema(name: str) -> None:
    """Print the schema that `schema_of` makes."""
    with guarded(Console(), as_json=False):
        emit(schema_of(name))


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a verb's recipes, or of a shipped pipeline.

    Raises:
        UsageError: there is no such verb or pipeline.
    """
    verb, _, _ = name.partition("/")
    verbs = [known for known in VERBS if has_recipe(known)]
    if verb not in verbs:
        hint = did_you_mean(verb, verbs) or f"verbs with recipes: {', '.join(verbs)}"
        raise UsageError(f"there is no verb '{verb}' that reads a recipe", hint=hint)
    model = recipe_model(verb)
    if "/" in name:
        model = model.specialise(read_extended(find(name).path, verb).value, [])
    schema = model.model_json_schema()
    if verb == "run" and "/" not in name:
        schema["additionalProperties"] = {"type": "object"}  # the stages
    schema["properties"]["extends"] = {
        "description": "The recipe or recipes that this one extends: a name or a file.",
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name, **schema}
