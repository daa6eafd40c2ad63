"""The tiny recipes of the masked objectives on real data of every kind.

Training must improve the loss on held-out samples, with the same masks before and after: the
interval of the paired difference lies below zero.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from executable import Executable

from medfm_cli.runs.run import read_jsonl

pytestmark = [pytest.mark.realdata, pytest.mark.slow]


class Case(NamedTuple):
    """A recipe, the data it is for, how they are curated, and how much of the recipe is run."""

    folder: str
    curate: tuple[str, ...]
    steps: int


SCANS = ("nifti-segmentation", "modality=MR")
CASES = {
    "simmim-tiny": Case("pneumoniamnist_subset/pneumoniamnist_imbalanced.npz", ("medmnist",), 20),
    "mae-volume-tiny": Case("mri3d_hippocampus", SCANS, 20),
    "mae-2d3d-tiny": Case("", ("mix.yaml",), 24),
    "mae-ecg-tiny": Case("ecg_ptbxl", ("wfdb-ecg",), 30),
    "mae-icu-tiny": Case("icu_physionet2012_a", ("physionet2012-icu",), 30),
    "mae-audio-tiny": Case("audio_heart_pascal", ("audio",), 24),
}
MIXTURE = """\
description: scans and slices of scans
sources:
  scans: {{source: {0}/mri3d_hippocampus, readers: [nifti], whole: true, modality: MR}}
  slices: {{source: {0}/brain_mri_tumor, modality: MR}}
labels: none
"""
OWN = {
    "simmim-tiny": ("backbone.image_size=28", "backbone.patch_size=4", "objective.mask_patch=8"),
}


@pytest.mark.parametrize("name", CASES)
def test_training_improves_the_loss_on_held_out_samples(
    name: str, medfm: Executable, shared_data: Path, tmp_path: Path
) -> None:
    case = CASES[name]
    (tmp_path / "mix.yaml").write_text(MIXTURE.format(shared_data))
    source = [f"source={shared_data / case.folder}"] if case.folder else []
    done = medfm("curate", *case.curate, *source, "--json", cwd=tmp_path, timeout=240)
    assert done.code == 0, done.stderr
    words = (f"data={done.json['run_dir']}", f"steps={case.steps}", *OWN.get(name, ()))
    done = medfm("pretrain", name, *words, "--json", cwd=tmp_path, timeout=240)
    assert done.code == 0, done.stderr
    numbers, folder = done.json["metrics"], tmp_path / done.json["run_dir"]
    gain = numbers["loss_plain_gain"]
    assert numbers["loss_plain_split"] == "val" and gain["subjects"] >= 10
    assert gain["low"] < gain["value"] < gain["high"] < 0
    assert numbers["loss_plain"]["value"] < numbers["loss_plain_before"]["value"]
    losses = [each["loss"] for each in read_jsonl(folder / "metrics.jsonl") if "loss" in each]
    assert len(losses) == case.steps
    assert sum(losses[-5:]) < sum(losses[:5])
    (picture,) = (folder / "figures").glob("reconstructions.*")
    assert picture.stat().st_size > 5000
    assert "of their patches masked" in (folder / "report.html").read_text("utf-8")
