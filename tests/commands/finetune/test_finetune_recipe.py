"""What a fine-tuning recipe may say."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from toy_data import balanced, toy_dataset

from medfm_cli.commands.finetune.plan import inputs, plan
from medfm_cli.commands.finetune.recipe import FinetuneRecipe
from medfm_cli.errors import DataError, UsageError
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.recipe.load import load


def recipe(**values: object) -> FinetuneRecipe:
    return FinetuneRecipe.model_validate({"data": "d", "model": "random"} | values)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"model": "m", "like": "x"}, "describe random weights"),
        ({"model": "m", "backbone": {}}, "describe random weights"),
        ({"like": "x", "backbone": {}}, "both give the architecture"),
        (
            {"backbone": {"name": "vit_tiny_patch16_224", "pretrained": True}},
            "published weights are not random",
        ),
        ({"label_smoothing": 1.0}, "less than 1"),
        ({"layer_decay": 0.0}, "greater than 0"),
        ({"mode": "half"}, "'probe' or 'full'"),
        ({"epoch": 3}, "Extra inputs"),
    ],
)
def test_contradictions_are_refused(values: dict[str, object], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        recipe(**values)


def test_one_changed_key_of_the_optimiser_keeps_the_others_as_fine_tuning_has_them() -> None:
    changed = recipe(optimiser={"weight_decay": 0.1}).optimiser
    assert (changed.weight_decay, changed.base_learning_rate, changed.clip) == (0.1, 1e-3, 1.0)
    assert changed.betas == [0.9, 0.999]


@pytest.mark.parametrize("name", ["probe", "full", "scratch"])
def test_shipped_recipes_are_valid(name: str) -> None:
    overrides = ["data=d", "like=m"] if name == "scratch" else ["data=d", "model=m"]
    loaded = load(f"finetune/{name}", overrides, verb="finetune", model=FinetuneRecipe)
    assert loaded.recipe.mode == ("probe" if name == "probe" else "full")  # type: ignore[attr-defined]


def test_inputs_are_named_by_content_and_missing_ones_are_errors(tmp_path: Path) -> None:
    dataset = toy_dataset(tmp_path / "data", balanced(subjects=2))
    found = recipe(data=str(tmp_path / "data"), backbone=BackboneSpec().model_dump())
    assert inputs(found) == {"data": dataset.version}
    assert "disc 8" in " ".join(plan(found).lines)
    with pytest.raises(DataError, match="there is no model"):
        inputs(recipe(data=str(tmp_path / "data"), model=str(tmp_path / "nowhere")))
    with pytest.raises(DataError, match="there is no dataset"):
        inputs(recipe(data=str(tmp_path / "nowhere")))


@pytest.mark.parametrize("mode", ["full", "probe"])
def test_a_dry_run_asks_the_rules_of_safety_where_images_are_augmented(
    tmp_path: Path, mode: str
) -> None:
    toy_dataset(tmp_path / "data", balanced(subjects=2))
    keys = {"data": str(tmp_path / "data"), "mode": mode, "backbone": BackboneSpec().model_dump()}
    if mode == "full":
        with pytest.raises(UsageError, match="hue: the network sees no colour"):
            plan(recipe(**keys, augment={"hue": 0.1}))
    assert plan(recipe(**keys, augment={"hue": 0.1, "allow": ["hue"]})).lines
