"""Every verb takes back what it writes: a recipe's own defaults, spelt out, are a recipe."""

from __future__ import annotations

import pytest

from medfm_cli.recipe.load import check, read_extended
from medfm_cli.recipe.shipping import shipped
from medfm_cli.verbs import recipe_model


@pytest.mark.parametrize("recipe", shipped(), ids=lambda recipe: recipe.full_name)
def test_defaults_spelt_out_are_valid(recipe) -> None:  # type: ignore[no-untyped-def]
    model = recipe_model(recipe.verb)
    tree = read_extended(recipe.path, recipe.verb)
    for name in ("data", "model", "source", "like"):
        if name in model.model_fields and model.model_fields[name].is_required():
            tree.value.setdefault(name, "somewhere")
    if recipe.verb == "eval":
        tree.value.setdefault("models", {"a": "somewhere"})
    typed = check(tree, model)
    values = typed.model_dump(mode="json")
    if recipe.verb != "run":
        assert type(typed).model_validate(values) == typed
        return
    for name, stage in typed.stages().items():  # type: ignore[attr-defined]
        assert type(stage).model_validate(values[name]) == stage
