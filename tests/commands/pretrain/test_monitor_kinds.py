"""Monitoring and probe tasks of other kinds than images: ECG records, volumes with images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from content_dataset import content_dataset
from toy_data import toy_run

from medfm_cli.commands.pretrain import engine
from medfm_cli.commands.pretrain.monitor import evaluations
from medfm_cli.commands.pretrain.recipe import PretrainRecipe
from medfm_cli.runs import Result, Run
from medfm_cli.runs.blocks import Table
from medfm_cli.samples.content import Content, Image2D, Signal, Volume

SPLITS = ("train", "train", "val", "test")
COUNT = 64


def record(number: int) -> Content:
    """Two leads; every other record is twice as fast."""
    time = np.arange(500) / 50
    waves = np.sin(2 * np.pi * (1 + number % 2) * time + number)
    noise = np.random.default_rng(number).normal(0, 0.1, (2, 500))
    return Signal((waves + noise).astype(np.float32), 50.0, ("I", "II"), ("mV", "mV"))


def scan_or_picture(number: int) -> Content:
    """A bright or a dark block; a quarter are images."""
    generator = np.random.default_rng(number)
    noise = generator.integers(0, 60, (8, 16, 16), dtype=np.uint8)
    noise[2:6, 4:12, 4:12] += np.uint8(60 + 90 * (number % 2))
    return Image2D(noise[3]) if number // 8 % 4 == 3 else Volume(noise, None, None)


CASES: dict[str, Any] = {
    "signal": (record, {"kind": "signal"}, "signals", COUNT),
    "volume": (
        scan_or_picture,
        {"kind": "volume", "size": 16, "depths": [4, 8]},
        "volumes",
        COUNT * 3 // 4,
    ),
}


@pytest.fixture(scope="module", params=CASES)
def done(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Result, Run]:
    make, wanted, _, _ = CASES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    content_dataset(
        folder / "data",
        [make(number) for number in range(COUNT)],
        splits=[SPLITS[number // 2 % 4] for number in range(COUNT)],
        label=[("even", "odd")[number % 2] for number in range(COUNT)],
    )
    recipe = PretrainRecipe.model_validate(
        {
            "data": str(folder / "data"),
            "input": wanted,
            "backbone": {"name": "vit_xxs"},
            "objective": {"name": "mae", "decoder": {"dim": 16, "depth": 1, "heads": 2}},
            "batch": 8,
            "steps": 4,
            "monitor": {"data": "same", "every": 0.5, "neighbours": 3},
            "tasks": [{"name": "parity"}],
            "probe": {"epochs": 2},
        }
    )
    run = toy_run(folder / "run", verb="pretrain")
    return request.param, engine.run(recipe, run), run


def test_probes_and_tasks_ask_the_samples_of_that_kind(done: tuple[str, Result, Run]) -> None:
    kind, result, run = done
    count = CASES[kind][3]
    assert result.metrics["knn"]["auc"]["pretrained"]["n"] == count // 4
    assert result.metrics["tasks"]["parity"]["auc"]["pretrained"]["n"] == count // 4
    assert evaluations(run) and all(0 <= look["linear_auc"] <= 1 for _, look in evaluations(run))


def test_the_report_calls_them_by_their_name(done: tuple[str, Result, Run]) -> None:
    kind, result, _ = done
    noun = CASES[kind][2]
    sections = {section.title: section for section in result.sections}
    for title in ("Monitoring during training", "Probe tasks"):
        tables = [block for block in sections[title].blocks if isinstance(block, Table)]
        assert noun.capitalize() in tables[0].columns
        assert f"paired by {noun}" in tables[-1].caption
    blocks = [str(block) for section in result.sections for block in section.blocks]
    assert not [text for text in blocks if " images" in text and kind == "signal"]
