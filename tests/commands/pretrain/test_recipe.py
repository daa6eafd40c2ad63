"""The pretrain recipe: its keys, what `auto` resolves to, and its plan."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from toy_data import balanced, toy_dataset

from medfm_cli import verbs
from medfm_cli.commands.pretrain.estimates import count_parameters
from medfm_cli.commands.pretrain.options import BackboneChoice
from medfm_cli.commands.pretrain.recipe import PretrainRecipe
from medfm_cli.commands.pretrain.resolve import TrainingSamples, resolve_backbone
from medfm_cli.errors import DataError
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.recipe.load import load
from medfm_cli.recipe.shipping import shipped


def settled(side: int, *, colour: bool = False, **choice: Any) -> BackboneSpec:
    found = TrainingSamples(("image",), [0], 1, side=side, colour=colour)  # type: ignore[arg-type]
    return resolve_backbone(BackboneChoice(**choice), found, lambda *_: None)


@pytest.mark.parametrize("name", [recipe.name for recipe in shipped("pretrain")])
def test_shipped_recipes_are_valid_and_short(name: str) -> None:
    recipe = next(recipe for recipe in shipped("pretrain") if recipe.name == name)
    lines = recipe.path.read_text().splitlines()
    assert len(lines) <= 40
    assert any(line.startswith(f"# medfm pretrain {name}") for line in lines[:4])
    loaded = load(name, [], verb="pretrain", model=PretrainRecipe)
    assert isinstance(loaded.recipe, PretrainRecipe)
    written = loaded.recipe.model_dump(mode="json")
    assert PretrainRecipe.model_validate(written) == loaded.recipe


def test_the_paper_recipe_has_the_papers_values() -> None:
    """He et al. 2022, appendix A.1 (FACTS §1.2: from memory, said so in the recipe)."""
    recipe = load("mae", [], verb="pretrain", model=PretrainRecipe).recipe
    assert isinstance(recipe, PretrainRecipe)
    assert (recipe.backbone.name, recipe.backbone.image_size) == ("vit_base", 224)
    assert recipe.objective.mask_ratio == 0.75 and recipe.objective.norm_pix
    decoder = recipe.objective.decoder
    assert (decoder.dim, decoder.depth, decoder.heads) == (512, 8, 16)
    assert recipe.optimiser.betas == [0.9, 0.95]
    assert (recipe.optimiser.weight_decay, recipe.optimiser.base_learning_rate) == (0.05, 1.5e-4)
    assert recipe.augment.crop == [0.2, 1.0]
    assert recipe.schedule.warmup * recipe.epochs == pytest.approx(40)


@pytest.mark.parametrize(
    ("side", "name", "size", "patch"),
    [
        (28, "vit_xs", 28, 4),
        (64, "vit_xs", 64, 8),
        (67, "vit_xs", 64, 8),
        (300, "vit_xs", 224, 8),
        (512, "vit_base", 224, 16),
        (64, "vit_tiny", 64, 8),
        (3, "vit_xs", 16, 2),
    ],
)
def test_size_and_patch_follow_the_images(side: int, name: str, size: int, patch: int) -> None:
    spec = settled(side, name=name)
    assert (spec.image_size, spec.patch) == (size, patch)


@given(st.integers(1, 3000), st.sampled_from(["vit_xxs", "vit_tiny", "vit_huge"]))
def test_whatever_the_images_the_network_fits(side: int, name: str) -> None:
    spec = settled(side, name=name)
    assert spec.patch is not None and spec.image_size % spec.patch == 0
    assert (spec.image_size // spec.patch) ** 2 >= 36


def test_colour_follows_the_images_unless_configured() -> None:
    assert settled(64).channels == 1
    assert settled(64, colour=True).channels == 3
    assert settled(64, colour=True, channels=1).channels == 1


def test_given_sizes_are_kept() -> None:
    spec = settled(300, image_size=96, patch_size=12)
    assert (spec.image_size, spec.patch) == (96, 12)


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ({"objective": {"name": "mae", "mask_ratio": 1.0}}, "mask_ratio"),
        ({"objective": {"name": "mae", "decoder": {"dim": 30, "heads": 4}}}, "decoder"),
        ({"augment": {"crop": [0.8, 0.2]}}, "crop"),
        ({"backbone": {"image_size": 65}}, "multiple of the patch"),
        ({"optimiser": {"learning_rate": 0}}, "learning_rate"),
        ({"steps": 0}, "steps"),
        ({"precision": "fp64"}, "precision"),
        ({"split": "test"}, "split"),
        ({"mask_ratio": 0.5}, "mask_ratio"),
    ],
)
def test_mistakes_are_found_before_anything_runs(keys: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError, match=where):
        PretrainRecipe.model_validate({"data": "x"} | keys)


def test_inputs_are_the_datasets_version(tmp_path: Path) -> None:
    dataset = toy_dataset(tmp_path / "dataset", balanced())
    recipe = PretrainRecipe(data=str(tmp_path))
    assert verbs.inputs("pretrain", recipe) == {"data": dataset.version}
    with pytest.raises(DataError):
        verbs.inputs("pretrain", PretrainRecipe(data=str(tmp_path / "nothing")))


def test_the_plan_tells_samples_steps_and_sizes(tmp_path: Path) -> None:
    toy_dataset(tmp_path, balanced(subjects=8))
    plan = verbs.plan("pretrain", PretrainRecipe(data=str(tmp_path), epochs=3, batch=8))
    text = "\n".join(plan.lines)
    assert "48 samples of 24 subjects" in text
    assert "18 steps of 8" in text
    assert plan.disk_bytes > 0
    assert plan.memory_bytes > 5e8


def test_an_empty_split_is_said(tmp_path: Path) -> None:
    subjects = [toy for toy in balanced() if toy.split == "val"]
    toy_dataset(tmp_path, subjects)
    with pytest.raises(DataError, match="no samples in the split 'train'") as error:
        verbs.plan("pretrain", PretrainRecipe(data=str(tmp_path)))
    assert "split=all" in (error.value.hint or "")


@pytest.mark.parametrize("name", ["vit_xxs", "vit_xs", "vit_tiny"])
def test_parameters_are_counted_exactly(name: str) -> None:
    spec = BackboneSpec(name=name, image_size=64, patch_size=8, channels=3)
    counted = sum(p.numel() for p in build_backbone(spec).parameters())
    assert count_parameters(spec) == counted


def test_recipe_and_plan_need_no_torch(tmp_path: Path) -> None:
    toy_dataset(tmp_path, balanced())
    code = (
        "import sys\n"
        "from medfm_cli import verbs\n"
        "from medfm_cli.commands.pretrain.recipe import PretrainRecipe\n"
        "heavy = {'torch', 'timm', 'numpy', 'pyarrow', 'accelerate'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        f"recipe = PretrainRecipe(data={str(tmp_path)!r})\n"
        "verbs.inputs('pretrain', recipe)\n"
        "assert not heavy & set(sys.modules)\n"
        "verbs.plan('pretrain', recipe)\n"
        "assert not {'torch', 'timm', 'accelerate'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
