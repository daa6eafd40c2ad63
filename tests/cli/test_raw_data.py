"""Every verb that takes `data` also takes plain files, and curates them on the way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from executable import Executable
from PIL import Image


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw") / "pictures"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(24):
        pixels = random.integers(0, 256, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_a_plain_folder_is_curated_first(medfm: Executable, pictures: Path, tmp_path: Path) -> None:
    ended = medfm(
        "pretrain", "mae-tiny", f"data={pictures}", "steps=2", "--out", str(tmp_path), "--json"
    )
    assert ended.code == 0, ended.stderr
    assert "curating it with the defaults" in ended.stderr
    document = json.loads(ended.stdout)
    card = json.loads((tmp_path / "curate-pictures" / "dataset" / "dataset.json").read_text())
    assert document["metrics"]["steps"] == 2
    assert card["counts"]["images"] == 24


@pytest.mark.parametrize("verb", ["pretrain mae-tiny", "finetune probe model=random"])
def test_the_plan_for_plain_files_touches_nothing(
    medfm: Executable, pictures: Path, tmp_path: Path, verb: str
) -> None:
    out = tmp_path / "out"
    ended = medfm(*verb.split(), f"data={pictures}", "--dry-run", "--out", str(out))
    assert ended.code == 0, ended.stderr
    assert "read 24 files" in ended.stdout and "on the dataset that comes of it" in ended.stdout
    assert not out.exists()
