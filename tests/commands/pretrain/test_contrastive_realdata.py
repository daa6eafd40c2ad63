"""On real radiographs, telling images apart teaches what tells pneumonia from health."""

from __future__ import annotations

from pathlib import Path

import pytest
from executable import Executable

pytestmark = [pytest.mark.realdata, pytest.mark.slow]
SMALL = (
    "backbone.image_size=28",
    "backbone.patch_size=7",
    "monitor.data=same",
    "monitor.every=100",
)


@pytest.fixture(scope="module")
def radiographs(
    medfm: Executable, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("radiographs")
    source = shared_data / "pneumoniamnist_subset" / "pneumoniamnist_imbalanced.npz"
    done = medfm("curate", "medmnist", f"source={source}", cwd=folder, timeout=240)
    return folder / done.run_dir


def test_nearest_neighbours_tell_more_than_with_random_weights_after_simclr(
    medfm: Executable, radiographs: Path, tmp_path: Path
) -> None:
    """The gain in AUC of k-NN, paired on the same images, with its interval over subjects."""
    keys = (f"data={radiographs}", "steps=80", *SMALL, "--json")
    done = medfm("pretrain", "simclr-tiny", *keys, cwd=tmp_path, timeout=240)
    assert done.code == 0, done.stderr
    numbers = done.json["metrics"]
    assert numbers["knn"]["auc"]["gain"]["low"] > 0, numbers["knn"]
    assert numbers["collapsed"] is False and numbers["alarms"] == []


def test_a_linear_probe_tells_more_than_with_random_weights_after_moco_v3(
    medfm: Executable, radiographs: Path, tmp_path: Path
) -> None:
    """Its k-NN is not better yet: 0.005 [-0.04, 0.05] in AUC where the probe gains 0.13.

    With a moving teacher the views are found more slowly (1 of 17 after these steps, when the
    loss still falls), and distances are ordered last. It must not have become worse for sure.
    """
    keys = (f"data={radiographs}", "steps=160", *SMALL, "--json")
    done = medfm("pretrain", "mocov3-tiny", *keys, cwd=tmp_path, timeout=240)
    assert done.code == 0, done.stderr
    numbers = done.json["metrics"]
    assert numbers["linear"]["auc"]["gain"]["low"] > 0, numbers["linear"]
    assert numbers["knn"]["auc"]["gain"]["high"] > 0, numbers["knn"]
    assert numbers["collapsed"] is False
