"""Near copies by what a model sees, with a small model of random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from curate_pictures import drawn
from curate_types import Curate
from PIL import Image

from medfm_cli import verbs
from medfm_cli.commands.curate.duplicates import embedding
from medfm_cli.commands.curate.options.deduplicate import Deduplicate
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.errors import DataError
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.config import ModelConfig
from medfm_cli.models.directory import save_model
from medfm_cli.models.spec import BackboneSpec


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = BackboneSpec(name="vit_xxs", image_size=32, patch_size=8)
    config = ModelConfig(kind="encoder", backbone=spec, preprocessing=Preprocessing(size=32))
    folder = tmp_path_factory.mktemp("models") / "model"
    save_model(folder, build_backbone(spec, seed=0), config)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures, and the first three once more with a little noise."""
    root = tmp_path / "pictures"
    root.mkdir()
    generator = np.random.default_rng(0)
    for number, image in enumerate(drawn(4, size=(64, 64))):
        image.save(root / f"{number}.png")
        if number < 3:
            noisy = np.asarray(image) + generator.normal(0, 2, (64, 64))
            pixels = np.clip(noisy, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / f"{number}-noisy.png")
    return root


def tied(curate: Curate, folder: Path, out: str = "run", **keys: Any) -> list[list[str]]:
    keys = {"distance": 0, "turned": False, "similarity": 0.999} | keys
    names = {"secret": "public", "source_paths": "keep"}
    done = curate(folder, out=out, labels="none", deduplicate=keys, deidentify=names)
    groups: dict[str, list[str]] = {}
    for row in done.rows:
        if row["cluster"]:
            groups.setdefault(row["cluster"], []).append(row["source"])
    return sorted(sorted(group) for group in groups.values())


def test_what_a_model_sees_as_the_same_is_tied(
    curate: Curate, folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "BLOCK", 3)
    wanted = [[f"{number}-noisy.png", f"{number}.png"] for number in range(3)]
    assert tied(curate, folder, embedding=str(model)) == wanted
    assert len(tied(curate, folder, out="without")) < 3


def test_features_outlive_the_pictures(
    curate: Curate, folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rerun after the payloads have gone into shards uses what is kept."""
    first = tied(curate, folder, embedding=str(model))

    def gone(*_values: object) -> None:
        raise AssertionError("looked at pictures again")

    monkeypatch.setattr(embedding, "_image", gone)
    assert tied(curate, folder, embedding=str(model)) == first


def test_a_model_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    deduplicate = Deduplicate(embedding=str(tmp_path / "nothing"))
    named = CurateRecipe(source=str(tmp_path), deduplicate=deduplicate)
    with pytest.raises(DataError, match="there is no model at"):
        verbs.inputs("curate", named)
