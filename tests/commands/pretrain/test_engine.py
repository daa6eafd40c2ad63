"""A whole pretraining, in this process: what it leaves behind and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_data import Toy, balanced, toy_dataset, toy_run

from medfm_cli.commands.pretrain import engine
from medfm_cli.commands.pretrain import feature_statistics as quality
from medfm_cli.commands.pretrain.recipe import PretrainRecipe
from medfm_cli.errors import RunFailed, UsageError
from medfm_cli.models.directory import load_model
from medfm_cli.runs import Result, Run
from medfm_cli.runs.blocks import Callout, Figure

SMALL: dict[str, Any] = {
    "backbone": {"name": "vit_xxs"},
    "objective": {"name": "mae", "decoder": {"dim": 16, "depth": 1, "heads": 2}},
    "batch": 8,
    "steps": 6,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    toy_dataset(folder, balanced(subjects=6), size=48)
    return folder


def pretrain(data: Path, folder: Path, **keys: Any) -> tuple[Result, Run]:
    run = toy_run(folder, verb="pretrain")
    recipe = PretrainRecipe.model_validate({"data": str(data)} | SMALL | keys)
    return engine.run(recipe, run), run


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Run]:
    return pretrain(data, tmp_path_factory.mktemp("run"))


def test_the_encoder_can_be_loaded_and_says_where_it_comes_from(
    done: tuple[Result, Run], data: Path
) -> None:
    result, run = done
    loaded = load_model(run.dir / result.artefacts["model"], kind="encoder")
    features = loaded.backbone(torch.zeros(2, 1, 48, 48))
    assert features.shape == (2, 64)
    (origin,) = loaded.config.lineage.datasets
    assert origin.version == result.lineage["inputs"]["data"]
    (step,) = loaded.config.lineage.steps
    assert (step.verb, step.run) == ("pretrain", run.hash)
    assert step.output == result.lineage["outputs"]["model"] == loaded.config.weights_sha256
    assert loaded.config.card.data[0].use == "pretrain"
    assert loaded.config.card.training[0].facts["steps"] == 6


def test_what_was_left_to_the_data_is_recorded(done: tuple[Result, Run]) -> None:
    _, run = done
    assert run.resolved["backbone.image_size"]["value"] == 48
    assert run.resolved["backbone.channels"]["value"] == 1
    assert run.resolved["precision"]["value"] in ("fp32", "bf16")
    assert all(entry["why"] for entry in run.resolved.values())


def test_the_result_has_numbers_a_figure_of_the_loss_and_paintings(
    done: tuple[Result, Run],
) -> None:
    result, run = done
    numbers = result.metrics
    assert numbers["steps"] == 6 and numbers["samples_seen"] == 48
    assert numbers["loss_plain"]["value"] < numbers["loss_plain_before"]["value"]
    gain = numbers["loss_plain_gain"]
    assert gain["low"] < gain["value"] < gain["high"] < 0
    assert (gain["n"], gain["subjects"]) == (18, 9)
    assert numbers["loss_plain_split"] == "val"
    assert numbers["features_images"] == numbers["features_before_images"] == 18
    assert 1 < numbers["features_effective_rank"] <= 17
    assert numbers["parameters_total"] > numbers["parameters_encoder"] > 0
    json.dumps(result.to_json(), allow_nan=False)
    blocks = [block for section in result.sections for block in section.blocks]
    figures = [block for block in blocks if isinstance(block, Figure)]
    assert len(figures) == 3
    assert all((run.dir / figure.path).is_file() for figure in figures)
    assert all(figure.alt and figure.caption for figure in figures)


def test_the_same_again_gives_the_same_bytes(
    done: tuple[Result, Run], data: Path, tmp_path: Path
) -> None:
    _, first = done
    _, again = pretrain(data, tmp_path)
    for name in ("model.safetensors", "config.json", "card.md"):
        assert (first.dir / "model" / name).read_bytes() == (
            again.dir / "model" / name
        ).read_bytes()


def test_another_seed_gives_another_model(
    done: tuple[Result, Run], data: Path, tmp_path: Path
) -> None:
    result, _ = done
    other, _ = pretrain(data, tmp_path, seed=1)
    assert other.lineage["outputs"] != result.lineage["outputs"]


def test_without_held_out_images_it_says_so(tmp_path: Path) -> None:
    toy_dataset(tmp_path / "data", [Toy("disc", "train", images=1) for _ in range(12)], size=48)
    result, _ = pretrain(tmp_path / "data", tmp_path / "run")
    assert result.metrics["loss_plain_split"] == "train"
    text = json.dumps([block for section in result.to_json()["sections"] for block in [section]])
    assert "also trained on" in text


def test_one_image_is_enough_to_run(tmp_path: Path) -> None:
    toy_dataset(tmp_path / "data", [Toy(None, "train", images=1)], size=48)
    result, _ = pretrain(tmp_path / "data", tmp_path / "run", batch="auto", steps=2)
    assert result.metrics["steps"] == 2


def test_collapsed_features_are_called_out(data: Path, tmp_path: Path) -> None:
    original = quality.feature_spread
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "feature_spread", lambda x: original(torch.ones_like(x)))
        result, _ = pretrain(data, tmp_path)
    assert result.metrics["collapsed"] is True
    blocks = [block for section in result.sections for block in section.blocks]
    assert any(isinstance(block, Callout) and "collapsed" in block.text for block in blocks)


def test_a_rate_that_is_far_too_high_is_a_failed_run(data: Path, tmp_path: Path) -> None:
    keys = {"optimiser": {"learning_rate": 1e30}, "steps": 20, "schedule": {"warmup": 0.0}}
    with pytest.raises(RunFailed, match="not a finite number at step"):
        pretrain(data, tmp_path, **keys)


@pytest.mark.parametrize("name", ["simclr", "mocov3"])
def test_what_an_objective_refuses_is_refused_before_anything_is_built(
    data: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(UsageError, match="compares the samples of a batch"):
        pretrain(data, tmp_path, objective={"name": name}, batch=4, accumulate=4)
    assert not (tmp_path / "metrics.jsonl").exists()


def test_colour_and_every_augmentation(tmp_path: Path) -> None:
    augment = {"flip": True, "brightness": 0.2, "contrast": 0.2}
    toy_dataset(tmp_path / "data", balanced(), size=48)
    backbone = {"name": "vit_xxs", "channels": 3, "registers": 1}
    result, run = pretrain(
        tmp_path / "data", tmp_path / "run", augment=augment, backbone=backbone, ema=0.9
    )
    assert load_model(run.dir / "model").config.preprocessing.channels == 3
    assert result.metrics["steps"] == 6
