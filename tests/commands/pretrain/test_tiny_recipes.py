"""The tiny recipes of comparing, distilling and pairing objectives, on real data of their kind.

A few steps each, through the real command: the loss is finite, the encoder can be loaded and takes
what it was trained on, and the report is written. What they reach at full length is in the docs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from executable import Executable

from medfm_cli.models.directory import load_model
from medfm_cli.runs.run import read_jsonl

pytestmark = [pytest.mark.realdata, pytest.mark.slow]

STEPS = 6
Curated = Callable[[str], Path]


class Source(NamedTuple):
    """A folder of real data, and the words that curate it."""

    folder: str
    words: tuple[str, ...]


SOURCES = {
    "radiographs": Source("pneumoniamnist_subset/pneumoniamnist_imbalanced.npz", ("medmnist",)),
    "skin": Source("skin_ham10000_sample", ("folders", "labels=none")),
    "scans": Source("mri3d_hippocampus", ("nifti-segmentation", "modality=MR")),
    "ecg": Source("ecg_ptbxl", ("wfdb-ecg",)),
    "icu": Source("icu_physionet2012_a", ("physionet2012-icu",)),
    "sounds": Source("audio_heart_pascal", ("audio",)),
    "questions": Source("vqa_rad", ("vqa",)),
}
RECIPES = {
    "simclr-tiny": "skin",
    "mocov3-tiny": "skin",
    "dino-tiny": "skin",
    "dinov2-tiny": "radiographs",
    "simclr-volume-tiny": "scans",
    "simclr-ecg-tiny": "ecg",
    "simclr-icu-tiny": "icu",
    "simclr-audio-tiny": "sounds",
    "clip-tiny": "questions",
    "siglip-tiny": "questions",
}


@pytest.fixture(scope="module")
def curated(
    medfm: Executable, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Curated:
    """Curate a source once, when it is first asked for."""
    place, made = tmp_path_factory.mktemp("curated"), dict[str, Path]()

    def curate(name: str) -> Path:
        if name not in made:
            source = SOURCES[name]
            words = (*source.words, f"source={shared_data / source.folder}", "--json")
            done = medfm("curate", *words, "--out", name, cwd=place, timeout=300)
            assert done.code == 0, done.stderr
            made[name] = place / done.json["run_dir"]
        return made[name]

    return curate


@pytest.mark.parametrize("name", RECIPES)
def test_a_tiny_recipe_trains_an_encoder(
    name: str, curated: Curated, medfm: Executable, tmp_path: Path
) -> None:
    words = (name, f"data={curated(RECIPES[name])}", f"steps={STEPS}", "--json")
    done = medfm("pretrain", *words, cwd=tmp_path, timeout=300)
    assert done.code == 0, done.stderr
    numbers, folder = done.json["metrics"], tmp_path / done.json["run_dir"]
    losses = [each["loss"] for each in read_jsonl(folder / "metrics.jsonl") if "loss" in each]
    assert len(losses) == STEPS and all(map(math.isfinite, losses))
    assert numbers["loss_plain"]["value"] != numbers["loss_plain_before"]["value"]
    loaded = load_model(folder / "model", kind="encoder")
    shape = loaded.config.preprocessing.shape
    with torch.inference_mode():
        features = loaded.backbone(torch.zeros(2, *shape))
    assert features.shape == (2, loaded.backbone.dim) and features.isfinite().all()
    assert name in (folder / "report.html").read_text("utf-8")
