"""A pretraining with initial weights: in this process, and once by the real executable."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from executable import Ended, Executable
from pydantic import ValidationError
from safetensors.torch import load_file
from toy_data import balanced, toy_dataset, toy_run

from medfm_cli.commands.pretrain import engine
from medfm_cli.commands.pretrain.plan import inputs
from medfm_cli.commands.pretrain.recipe import PretrainRecipe
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.directory import load_model
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.runs import Result, Run
from medfm_cli.runs.blocks import Table

SMALL: dict[str, Any] = {
    "backbone": {"name": "vit_xxs", "image_size": 32, "channels": 1, "patch_size": 8},
    "objective": {"name": "mae", "decoder": {"dim": 16, "depth": 1, "heads": 2}},
    "batch": 8,
    "steps": 2,
}
TINY = {"name": "vit_xs", "image_size": 64, "patch_size": 8, "channels": 1}
"""The encoder of the recipes mae-tiny and continue-tiny."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    toy_dataset(folder / "data", balanced(subjects=4), size=32)
    return folder


def pretrain(home: Path, out: str, **backbone: Any) -> tuple[Result, Run]:
    run = toy_run(home / out, verb=f"pretrain {out}")
    keys = {**SMALL, "backbone": {**SMALL["backbone"], **backbone}, "data": str(home / "data")}
    return engine.run(PretrainRecipe.model_validate(keys), run), run


@pytest.fixture(scope="module")
def first(home: Path) -> tuple[Result, Run]:
    return pretrain(home, "first")


def test_continuing_from_a_model_starts_with_its_weights(
    home: Path, first: tuple[Result, Run]
) -> None:
    before, _ = first
    result, run = pretrain(home, "second", weights=str(home / "first"))
    assert result.metrics["start"]["coverage"] == 1.0
    assert result.metrics["start"]["missing"] == []
    # The decoder is new, the features are those that the first training ended with.
    for key in ("features_effective_rank", "features_std"):
        assert result.metrics[key.replace("features", "features_before")] == pytest.approx(
            before.metrics[key], rel=1e-4
        )
    logged = [json.loads(line) for line in (run.dir / "log.jsonl").read_text().splitlines()]
    (loaded,) = [line for line in logged if line.get("event") == "loaded"]
    assert loaded["coverage"] == 1.0
    tables = [b for s in result.sections for b in s.blocks if isinstance(b, Table)]
    (table,) = [each for each in tables if each.columns[0] == "Tensors"]
    assert table.rows[0][:2] == ("loaded", result.metrics["start"]["loaded"])


def test_the_lineage_holds_the_weights_and_the_runs_before(
    home: Path, first: tuple[Result, Run]
) -> None:
    _, earlier = first
    result, run = pretrain(home, "third", weights=str(home / "first"))
    config = load_model(run.dir / result.artefacts["model"]).config
    old = load_model(earlier.dir / "model").config
    assert [step.run for step in config.lineage.steps] == [earlier.hash, run.hash]
    assert config.lineage.steps[1].inputs["backbone.weights"] == old.weights_sha256
    assert len(config.card.training) == 2
    assert config.card.training[1].facts["start"] == "encoder vit_xxs"


def test_the_weights_belong_to_the_identity_of_a_run(home: Path, tmp_path: Path) -> None:
    found = []
    for value in (0.0, 1.0):
        torch.save({"norm.weight": torch.full((64,), value)}, tmp_path / "start.pth")
        recipe = PretrainRecipe.model_validate(
            {"data": str(home / "data"), "backbone": {"weights": str(tmp_path / "start.pth")}}
        )
        found.append(inputs(recipe))
    assert found[0]["data"] == found[1]["data"]
    assert found[0]["backbone.weights"] != found[1]["backbone.weights"]


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (
            {"name": "resnet18", "pretrained": True, "weights": "x.pth"},
            "both set the initial weights",
        ),
        ({"weights": "x.pth", "download": True}, "download is for weights of the Hugging Face"),
        ({"download": True}, "download is for weights of the Hugging Face"),
        ({"weights": "x.pth", "coverage": 1.2}, "less than or equal to 1"),
    ],
)
def test_starts_that_contradict_themselves_are_refused(
    backbone: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        PretrainRecipe.model_validate({"data": "data", "backbone": backbone})


def test_less_than_all_is_loaded_where_the_recipe_allows_and_reported(
    home: Path, first: tuple[Result, Run]
) -> None:
    _, earlier = first
    tensors = load_file(earlier.dir / "model" / "model.safetensors")
    part = {name: value for name, value in tensors.items() if "blocks.0" not in name}
    torch.save(part, home / "three.pth")
    result, _ = pretrain(home, "part", weights=str(home / "three.pth"), coverage=0.5)
    missing = result.metrics["start"]["missing"]
    assert missing and all(name.startswith("blocks.0.") for name in missing)


def test_the_executable_loads_refuses_too_little_and_refuses_pickles(
    medfm: Executable, home: Path
) -> None:
    tensors = build_backbone(BackboneSpec.model_validate(TINY), seed=3).net.state_dict()
    tensors = {f"module.{name}": value for name, value in tensors.items()}
    torch.save({"state_dict": tensors}, home / "whole.pth")
    part = {name: value for name, value in tensors.items() if "blocks.0" not in name}
    torch.save(part, home / "part.pth")
    (home / "evil.pth").write_bytes(pickle.dumps(print))

    def go(weights: str) -> Ended:
        return medfm(
            "pretrain",
            "continue-tiny",
            "data=data",
            f"backbone.weights={weights}",
            "steps=2",
            "--json",
            cwd=home,
            timeout=240,
        )

    whole = go("whole.pth")
    assert whole.code == 0, whole.stderr
    start = whole.json["metrics"]["start"]
    assert (start["coverage"], start["renamed"]) == (1.0, start["loaded"])

    little = go("part.pth")
    assert little.code == 3
    assert "95.0% are required" in little.stderr
    evil = go("evil.pth")
    assert evil.code == 3
    assert "can run any code" in evil.stderr
