"""Looks during a pretraining: alarms, neighbours, probes, and that they change nothing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_data import Toy, balanced, toy_dataset, toy_run

from medfm_cli.commands.pretrain import engine
from medfm_cli.commands.pretrain.alarms import alarms
from medfm_cli.commands.pretrain.monitor import evaluations
from medfm_cli.commands.pretrain.recipe import PretrainRecipe
from medfm_cli.data import Dataset
from medfm_cli.errors import DataError, RunFailed
from medfm_cli.models.backbones import Backbone
from medfm_cli.runs import Result, Run
from medfm_cli.runs.blocks import Callout, Table
from medfm_cli.training.guards import Spread, feature_spread

SMALL: dict[str, Any] = {
    "backbone": {"name": "vit_xxs"},
    "objective": {"name": "mae", "decoder": {"dim": 16, "depth": 1, "heads": 2}},
    "batch": 8,
    "steps": 6,
}
SOUND = Spread(images=50, std=0.5, effective_rank=12.0, dimensions=64)


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
def monitored(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Run]:
    monitor = {"data": "same", "every": 0.5, "neighbours": 3}
    return pretrain(data, tmp_path_factory.mktemp("run"), monitor=monitor)


def test_each_look_is_written_down(monitored: tuple[Result, Run], data: Path) -> None:
    result, run = monitored
    every = round(0.5 * (len(Dataset.open(data).rows("train")) // 8))
    assert [step for step, _ in evaluations(run)] == list(range(every, 7, every))
    for _, look in evaluations(run):
        assert 0 <= look["knn_auc"] <= 1 and 0 <= look["linear_auc"] <= 1
        assert look["features_effective_rank"] > 1 and look["alarms"] == []
    assert result.metrics["evaluations"] == len(evaluations(run)) and result.metrics["alarms"] == []


def test_the_probes_are_compared_with_random_weights(monitored: tuple[Result, Run]) -> None:
    result, _ = monitored
    for way in ("knn", "linear"):
        scores = result.metrics[way]["auc"]
        assert scores["pretrained"]["n"] == scores["random"]["n"] == scores["gain"]["n"] > 0
        delta = scores["pretrained"]["value"] - scores["random"]["value"]
        assert scores["gain"]["delta"] == pytest.approx(delta)
        assert scores["gain"]["verdict"] in ("gain", "no gain", "loss", "undecided")
    (section,) = [s for s in result.sections if s.title == "Monitoring during training"]
    assert len(section.blocks) >= 4


def test_evaluations_do_not_change_weights(
    monitored: tuple[Result, Run], data: Path, tmp_path: Path
) -> None:
    _, run = monitored
    _, plain = pretrain(data, tmp_path)
    weights = [r.dir / "model" / "model.safetensors" for r in (run, plain)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_collapse_raises_an_alarm_and_can_end_the_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Backbone, "features", lambda _, images: torch.ones(len(images), 8))
    result, run = pretrain(data, tmp_path / "warn", monitor={"every": 1})
    (first, *_) = result.metrics["alarms"]
    assert "hardly differ" in first["alarm"] and first["step"] >= 1
    assert '"event": "alarm"' in (run.dir / "log.jsonl").read_text()
    said = [b.text for s in result.sections for b in s.blocks if isinstance(b, Callout)]
    assert any("evaluations raised an alarm" in text for text in said)
    with pytest.raises(RunFailed, match="training stopped at step"):
        pretrain(data, tmp_path / "stop", monitor={"every": 1, "on_collapse": "stop"})


def test_labels_of_one_class_are_refused(data: Path, tmp_path: Path) -> None:
    toy_dataset(tmp_path / "one", [Toy("disc", "train", images=1) for _ in range(4)], size=48)
    with pytest.raises(DataError, match="all of one class"):
        pretrain(data, tmp_path / "run", monitor={"data": str(tmp_path / "one")})


def test_alarms_of_a_teacher() -> None:
    most = math.log(256)
    late: dict[str, Any] = {"highest": most, "progress": 0.5}
    assert alarms(SOUND, {"teacher_entropy": 0.5 * most}, **late) == []
    assert "same prototype" in alarms(SOUND, {"teacher_entropy": 0.001 * most}, **late)[0]
    assert "uniform" in alarms(SOUND, {"teacher_entropy": most}, **late)[0]
    assert "uniform" in alarms(SOUND, {"teacher_entropy": 0.99 * most}, **late)[0]
    assert alarms(SOUND, {"teacher_entropy": most}, highest=most, progress=0.1) == []
    assert alarms(SOUND, {"teacher_entropy": 0.0}, highest=None, progress=0.5) == []


def test_an_alarm_for_features_of_one_direction() -> None:
    line = feature_spread(torch.outer(torch.arange(1.0, 21), torch.ones(16)))
    assert alarms(line, {}, highest=None, progress=0.1)
    spread = feature_spread(torch.randn(40, 16, generator=torch.Generator().manual_seed(0)))
    assert alarms(spread, {}, highest=None, progress=0.1) == []


def test_what_the_probes_compare_with_is_called_what_it_is(data: Path, tmp_path: Path) -> None:
    _, first = pretrain(data, tmp_path / "first", steps=1)
    start = {"name": "vit_xxs", "weights": str(first.dir / "model")}
    monitor = {"data": "same", "neighbours": 3}
    result, _ = pretrain(data, tmp_path / "second", steps=1, backbone=start, monitor=monitor)
    (section,) = [s for s in result.sections if s.title == "Monitoring during training"]
    (table, *_) = [block for block in section.blocks if isinstance(block, Table)]
    assert [row[0] for row in table.rows] == ["initial weights", "pretrained"]
    assert "random weights" not in str(section.blocks)
