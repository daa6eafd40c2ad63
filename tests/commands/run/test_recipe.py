"""The recipe of a pipeline: stages are checked like the recipes of their verbs."""

from __future__ import annotations

from typing import Any

import pytest

from medfm_cli.commands.run.recipe import RunRecipe, references, resolved
from medfm_cli.errors import RecipeError
from medfm_cli.recipe.load import check
from medfm_cli.recipe.tree import read_text

PIPELINE = """\
seed: 3
curate:
  source: somewhere
encoder:
  verb: pretrain
  data: $curate
probe:
  verb: finetune
  data: $curate
  model: $encoder
"""


def problems(text: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        check(read_text(text, "p.yaml"), RunRecipe)
    return [str(problem) for problem in caught.value.problems]


def test_stages_are_typed_recipes_in_their_order() -> None:
    recipe = check(read_text(PIPELINE, "p.yaml"), RunRecipe)
    assert isinstance(recipe, RunRecipe)
    assert list(recipe.stages()) == ["curate", "encoder", "probe"]
    assert [recipe.verb_of(name) for name in recipe.stages()] == ["curate", "pretrain", "finetune"]
    assert type(recipe.stages()["encoder"]).__mro__[1].__name__ == "PretrainRecipe"


def test_a_wrong_key_in_a_stage_has_its_place_and_a_suggestion() -> None:
    assert problems(PIPELINE.replace("  model:", "  modell:")) == [
        "p.yaml:7:1: probe.model: is required and missing (add `model: …`)",
        "p.yaml:10:3: probe.modell: unknown key (did you mean 'model'?)",
    ]


def test_a_reference_must_point_back() -> None:
    (problem,) = problems(PIPELINE.replace("$encoder", "$encodre"))
    assert problem.startswith("p.yaml:10:3: probe.model: '$encodre' is not a stage before")
    assert "did you mean 'encoder'?" in problem


def test_a_stage_without_a_verb_is_told_which_there_are() -> None:
    (problem,) = problems("tidy: {}\ncurate: {source: x}\n")
    assert problem.startswith("p.yaml:1:1: tidy: there is no verb 'tidy'")
    assert "curate" in problem


def test_a_value_is_no_stage() -> None:
    (problem,) = problems("sead: 3\ncurate: {source: x}\n")
    assert "'sead' is not a stage" in problem and "did you mean 'seed'?" in problem


@pytest.mark.parametrize("name", ["_a", "1", "a.b", "model_dump", "stages", "", "é"])
def test_a_stage_has_a_name_that_can_be_referred_to(name: str) -> None:
    (problem,) = problems(f"'{name}': {{verb: curate, source: x}}\n")
    assert f"'{name}' cannot be the name of a stage" in problem


def test_an_empty_pipeline_is_refused() -> None:
    assert problems("seed: 1\n") == ["p.yaml:1:1: a pipeline has at least one stage"]


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("$a", ["a"]),
        ("a$", []),
        ({"x": "$a", "y": ["$b", {"z": "$a"}]}, ["a", "b"]),
        (None, []),
    ],
)
def test_references_are_found_once_each(value: Any, names: list[str]) -> None:
    assert references(value) == names


def test_references_become_run_directories() -> None:
    value = {"data": "$curate", "models": {"a": "$p"}, "n": 3, "l": ["$p", "x"]}
    folders = {"curate": "runs/c", "p": "runs/p"}
    assert resolved(value, folders) == {
        "data": "runs/c",
        "models": {"a": "runs/p"},
        "n": 3,
        "l": ["runs/p", "x"],
    }
