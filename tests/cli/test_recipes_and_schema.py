"""`medfm recipes` and `medfm schema`, and what every shipped recipe must be."""

import json
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from executable import Executable

from medfm_cli.commands import VERBS
from medfm_cli.commands.schema.actions import schema_of
from medfm_cli.recipe.load import load, read_extended
from medfm_cli.recipe.shipping import Shipped, shipped
from medfm_cli.verbs import has_recipe, recipe_model

WITH_RECIPE = [verb for verb in VERBS if has_recipe(verb)]
RECIPES = shipped()
each_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.full_name)


@cache
def schema(name: str) -> dict[str, Any]:
    return schema_of(name)


def command_of(recipe: Shipped) -> list[str]:
    """The command at the head of a recipe, as words."""
    for line in recipe.path.read_text("utf-8").splitlines()[:3]:
        if line.startswith("# medfm "):
            return shlex.split(line[2:])
    raise AssertionError(f"{recipe.full_name} has no `# medfm …` line at its head")


def test_there_are_recipes_for_every_verb_that_reads_one() -> None:
    assert {recipe.verb for recipe in RECIPES} == set(WITH_RECIPE)


def test_ls_lists_every_recipe_with_its_summary(medfm: Executable) -> None:
    lines = medfm("recipes", "ls").stdout.splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted(r.full_name for r in RECIPES)
    assert all(len(line.split()) > 3 for line in lines)
    assert all(line.endswith((".", "?", ":")) for line in lines), "a sentence is not cut"


def test_ls_of_one_verb(medfm: Executable) -> None:
    listed = medfm("recipes", "ls", "pretrain", "--json").json["recipes"]
    assert {row["verb"] for row in listed} == {"pretrain"}


def test_ls_of_a_verb_that_is_none(medfm: Executable) -> None:
    done = medfm("recipes", "ls", "pretrian")
    assert done.code == 2
    assert "did you mean 'pretrain'?" in done.stderr


def test_show_prints_the_file(medfm: Executable) -> None:
    recipe = RECIPES[0]
    done = medfm("recipes", "show", recipe.full_name)
    assert done.stdout == recipe.path.read_text("utf-8")


def test_cp_copies_and_does_not_overwrite(medfm: Executable, tmp_path: Path) -> None:
    recipe = RECIPES[0]
    done = medfm("recipes", "cp", recipe.full_name, cwd=tmp_path)
    copy = tmp_path / recipe.path.name
    assert done.stdout == f"{copy.name}\n"
    assert copy.read_bytes() == recipe.path.read_bytes()
    copy.write_text("mine")
    done = medfm("recipes", "cp", recipe.full_name, cwd=tmp_path)
    assert done.code == 2
    assert "already exists" in done.stderr
    assert copy.read_text() == "mine"
    assert medfm("recipes", "cp", recipe.full_name, "--force", cwd=tmp_path).code == 0
    assert medfm("recipes", "cp", recipe.full_name, "other.yaml", cwd=tmp_path).code == 0
    assert (tmp_path / "other.yaml").read_bytes() == recipe.path.read_bytes()


@pytest.mark.parametrize("verb", WITH_RECIPE)
def test_schema_is_a_json_schema(verb: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(verb))


@pytest.mark.parametrize("verb", [verb for verb in WITH_RECIPE if verb != "run"])
def test_every_key_is_described(verb: str) -> None:
    """By itself, or by the block it holds; a component's name needs no words."""
    blocks = schema(verb).get("$defs", {})
    bare = [
        f"{block.get('title')}.{key}"
        for block in [schema(verb), *blocks.values()]
        for key, value in block.get("properties", {}).items()
        if not (value.get("description") or "const" in value)
        and not blocks.get(str(value.get("$ref")).rpartition("/")[2], {}).get("description")
    ]
    assert bare == []


def test_schema_on_the_command_line(medfm: Executable) -> None:
    document = medfm("schema", "pretrain").json
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document == json.loads(json.dumps(schema("pretrain")))


@each_recipe
def test_a_shipped_recipe_is_short_and_headed(recipe: Shipped) -> None:
    text = recipe.path.read_text("utf-8")
    assert len(text.splitlines()) <= 40
    assert text.startswith("# ")
    assert recipe.summary
    assert command_of(recipe)[:3] in (
        ["medfm", recipe.verb, recipe.name],
        ["medfm", recipe.verb, recipe.full_name],
    )


@each_recipe
def test_a_shipped_recipe_is_right_as_its_head_says(recipe: Shipped) -> None:
    words = [word for word in command_of(recipe)[3:] if "=" in word and not word.startswith("-")]
    loaded = load(recipe.full_name, words, verb=recipe.verb, model=recipe_model(recipe.verb))
    name = recipe.full_name if recipe.verb == "run" else recipe.verb
    jsonschema.validate(loaded.tree.value, schema(name))


@each_recipe
def test_the_file_as_written_fits_the_schema_that_editors_use(recipe: Shipped) -> None:
    """All but for keys that the command has to give."""
    values = read_extended(recipe.path, recipe.verb).value
    name = recipe.full_name if recipe.verb == "run" else recipe.verb
    validator = jsonschema.Draft202012Validator(schema(name))
    wrong = [error.message for error in validator.iter_errors(values)]
    assert [message for message in wrong if "is a required property" not in message] == []


@each_recipe
def test_comments_of_a_recipe_fit_in_a_terminal(recipe: Shipped) -> None:
    text = recipe.path.read_text("utf-8")
    assert max(map(len, text.splitlines())) <= 100
    assert not re.search(r"\t| $", text, re.MULTILINE)
