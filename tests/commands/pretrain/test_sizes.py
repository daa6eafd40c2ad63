"""Parameters that a plan foretells, against the networks as they are built."""

from __future__ import annotations

from typing import Any

import pytest
from toy_data import balanced, toy_dataset

from medfm_cli import verbs
from medfm_cli.commands.pretrain.estimates import count_parameters
from medfm_cli.commands.pretrain.objectives import OBJECTIVES
from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
from medfm_cli.commands.pretrain.recipe import PretrainRecipe
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.spec import BackboneSpec, PatchSpec
from medfm_cli.training.augmentations import ImageViews

SPEC = BackboneSpec(name="vit_xxs", image_size=32, channels=3)
HEAD = {"hidden": 32, "out": 16, "layers": 3}
PROTOTYPES = {"hidden": 32, "bottleneck": 16, "prototypes": 64}


@pytest.mark.parametrize(
    "objective",
    [
        {"name": "mae", "decoder": {"dim": 32, "depth": 2, "heads": 2}},
        {"name": "simmim"},
        {"name": "simclr", "head": HEAD},
        {"name": "mocov3", "head": HEAD},
        {"name": "dino", "head": PROTOTYPES},
        {"name": "dinov2", "head": PROTOTYPES},
        {"name": "dinov2", "head": PROTOTYPES, "shared_head": True},
    ],
    ids=lambda objective: "-".join(map(str, (objective["name"], len(objective)))),
)
def test_what_an_objective_has_beside_the_encoder(objective: dict[str, Any]) -> None:
    recipe = PretrainRecipe.model_validate({"data": "data", "objective": objective})
    backbone = build_backbone(SPEC, seed=0)
    context = ObjectiveContext(preprocessing=Preprocessing(size=32, channels=3), views=ImageViews())
    task = OBJECTIVES.load(recipe.objective)(backbone, recipe.objective, context)
    encoder = sum(each.numel() for each in task.backbone.parameters())
    rest = sum(each.numel() for each in task.parameters()) - encoder
    found = recipe.objective.extra_parameters(encoder, dim=64, patch=192)
    assert found is not None and sum(found) == rest
    assert (found.frozen > 0) == (recipe.objective.name in ("mocov3", "dino", "dinov2"))


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_what_learns_from_pairs_has_a_text_side_beside_the_encoder(name: str) -> None:
    text = {"dim": 16, "depth": 2, "heads": 2, "length": 12, "vocabulary": 280}
    objective = {"name": name, "dim": 24, "text": text}
    recipe = PretrainRecipe.model_validate({"data": "data", "objective": objective})
    context = ObjectiveContext(
        preprocessing=Preprocessing(size=32, channels=3),
        views=ImageViews(),
        texts=["There is a disc in the picture.", "There are bars in the picture."] * 4,
    )
    task = OBJECTIVES.load(recipe.objective)(build_backbone(SPEC), recipe.objective, context)
    rest = sum(each.numel() for each in task.side.parameters())
    found = recipe.objective.extra_parameters(0, dim=64, patch=192)
    unused = 16 * (280 - task.tokeniser.size)  # of the most tokens that the recipe asks for
    assert found is not None and found.trainable == rest + unused and not found.frozen
    read = {"name": name, "text": {"pretrained": "folder"}}
    named = PretrainRecipe.model_validate({"data": "data", "objective": read}).objective
    assert named.extra_parameters(0, dim=64, patch=192) is None


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mlp": "swiglu"},
        {"class_token": True, "registers": 3, "layer_scale": 1e-5},
    ],
)
@pytest.mark.parametrize("kind", ["image", "volume", "signal", "audio"])
def test_an_encoder_of_any_kind_is_counted_exactly(kind: str, options: dict[str, Any]) -> None:
    shapes = {
        "volume": {"shape": [8, 16, 16], "patch": [4, 8, 8]},
        "signal": {"shape": [200], "patch": [25], "channels": 12},
        "audio": {"shape": [32, 48], "patch": [16, 16]},
    }
    spec: BackboneSpec | PatchSpec
    if kind == "image":
        spec = SPEC.model_copy(update=options)
    else:
        spec = PatchSpec(kind=kind, name="vit_xxs", **shapes[kind], **options)  # type: ignore
    counted = sum(each.numel() for each in build_backbone(spec).parameters())
    assert count_parameters(spec) == counted


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("data")
    toy_dataset(folder, balanced(), size=32)
    return str(folder)


@pytest.mark.parametrize("name", [*OBJECTIVES.names()])
def test_every_objective_has_a_plan_that_counts_it_or_says_that_it_cannot(
    name: str, data: str
) -> None:
    text = {"text": {"template": "a {label}"}} if name in ("clip", "siglip") else {}
    keys = {"data": data, "objective": {"name": name, **text}, "batch": 4}
    plan = verbs.plan("pretrain", PretrainRecipe.model_validate(keys))
    text = "\n".join(plan.lines)
    assert "the objective adds" in text and plan.memory_bytes > 0 and plan.disk_bytes > 0
    unnamed = PretrainRecipe.model_validate(keys | {"backbone": {"name": "resnet10t"}})
    unknown = verbs.plan("pretrain", unnamed)
    assert "known only once it is built" in unknown.lines[-1] and unknown.memory_bytes == 0
