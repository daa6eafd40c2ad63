"""Evaluation on real chest X-rays: the numbers are sane, and scikit-learn finds the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score
from toy_data import Picture, toy_run, write_pictures

from medfm_cli.commands.eval.engine import run
from medfm_cli.commands.eval.recipe import EvalRecipe
from medfm_cli.data import Dataset
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.config import ModelConfig
from medfm_cli.models.directory import save_model
from medfm_cli.models.spec import BackboneSpec

SPEC = BackboneSpec(name="vit_xxs", image_size=28, patch_size=7)
TAKEN = {"train": 300, "val": 60, "test": 150}


def chest_x_rays(root: Path, shared_data: Path) -> Dataset:
    (file,) = (shared_data / "pneumoniamnist_subset").glob("*.npz")
    arrays = np.load(file, allow_pickle=False)
    pictures = []
    for split, count in TAKEN.items():
        labels = arrays[f"{split}_labels"].ravel()
        for index in np.random.default_rng(0).permutation(len(labels))[:count]:
            label = ("normal", "pneumonia")[int(labels[index])]
            pixels = arrays[f"{split}_images"][index]
            pictures.append(Picture([pixels], f"{split}{index}", split, label))
    return write_pictures(root, pictures)


@pytest.mark.realdata
def test_chest_x_rays(tmp_path: Path, shared_data: Path) -> None:
    chest_x_rays(tmp_path / "data", shared_data)
    config = ModelConfig(
        kind="encoder", backbone=SPEC, preprocessing=Preprocessing(size=28, channels=1)
    )
    save_model(tmp_path / "model", build_backbone(SPEC, seed=1), config)
    recipe = EvalRecipe(data=str(tmp_path / "data"), models={"encoder": str(tmp_path / "model")})
    here = toy_run(tmp_path / "run", verb="eval")
    result = run(recipe, here)
    assert result.metrics["protocol"] == "holdout"  # 210 subjects are held out
    scores = result.metrics["scores"]
    assert scores["pixels"]["auc"]["value"] > 0.85
    assert 0.6 < scores["encoder"]["auc"]["value"] < 0.97
    assert scores["majority"]["auc"]["value"] == 0.5
    verdicts = {(d["baseline"], d["metric"]): d["verdict"] for d in result.metrics["differences"]}
    assert verdicts["majority", "auc"] == "gain"
    assert verdicts["pixels", "auc"] != "gain"

    rows = pq.read_table(here.dir / "predictions.parquet").to_pylist()
    for method in scores:
        mine = [row for row in rows if row["method"] == method]
        truth = [row["label"] == "pneumonia" for row in mine]
        found = roc_auc_score(truth, [row["probability_pneumonia"] for row in mine])
        assert scores[method]["auc"]["value"] == pytest.approx(found, abs=1e-9)
