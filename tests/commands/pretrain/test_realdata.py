"""Pretraining on real radiographs, straight from the file they come in."""

from __future__ import annotations

from pathlib import Path

import pytest
from executable import Executable

from medfm_cli.runs.run import read_jsonl

STEPS = 60


@pytest.mark.realdata
def test_a_medmnist_file_becomes_an_encoder(
    medfm: Executable, shared_data: Path, tmp_path: Path
) -> None:
    source = shared_data / "pneumoniamnist_subset" / "pneumoniamnist_imbalanced.npz"
    own = ("backbone.image_size=auto", "~backbone.patch_size", f"steps={STEPS}")
    done = medfm(
        "pretrain", "mae-tiny", f"data={source}", *own, "--json", cwd=tmp_path, timeout=240
    )
    assert done.code == 0, done.stderr
    numbers, folder = done.json["metrics"], tmp_path / done.json["run_dir"]
    assert numbers["samples_seen"] == STEPS * 64
    assert numbers["loss_plain_gain"]["high"] < 0
    assert numbers["loss_plain"]["value"] < 1  # predicting the mean of every patch costs 1
    assert numbers["collapsed"] is False
    chosen = (folder / "recipe.resolved.yaml").read_text()
    assert "backbone.image_size: 28" in chosen
    assert "backbone.patch_size: 4" in chosen
    assert len({record["step"] for record in read_jsonl(folder / "metrics.jsonl")}) == STEPS
    assert (folder / "figures" / "reconstructions.png").is_file()
