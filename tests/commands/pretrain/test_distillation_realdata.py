"""On real radiographs, what the teacher sees tells pneumonia better than random weights do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from training_tools import MemoryLoader, fit_once, new_run, options

from medfm_cli.commands.pretrain.objectives import OBJECTIVES
from medfm_cli.commands.pretrain.objectives.base import Objective, ObjectiveContext
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.metrics.cases import Cases, make_cases
from medfm_cli.metrics.estimates import Comparison
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.inputs import normalise
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.runs.run import read_jsonl
from medfm_cli.training.augmentations import ImageViews
from medfm_cli.training.neighbours import neighbour_probabilities

STEPS, BATCH = 60, 64
KEYS: dict[str, dict[str, Any]] = {
    "dino": {"teacher_temperature": [0.04, 0.07], "temperature_warmup": 0.6},
    "dinov2": {"teacher_temperature": [0.04, 0.04]},
}
INPUT = Preprocessing(size=28)
Split = tuple[NDArray[np.uint8], NDArray[np.int64]]


@pytest.fixture(scope="module")
def radiographs(shared_data: Path) -> dict[str, Split]:
    """MedMNIST's own splits: images [n,28,28] and whether there is pneumonia."""
    path = shared_data / "pneumoniamnist_subset" / "pneumoniamnist_imbalanced.npz"
    with np.load(path, allow_pickle=False) as file:
        return {
            split: (file[f"{split}_images"], file[f"{split}_labels"][:, 0].astype(np.int64))
            for split in ("train", "val")
        }


def task_of(name: str) -> Objective:
    chosen = OBJECTIVES.options(name)(
        crops={"local_count": 2},
        head={"hidden": 64, "bottleneck": 32, "prototypes": 128},
        momentum=0.98,
        **KEYS[name],
        freeze_epochs=0.2,
    )
    context = ObjectiveContext(
        preprocessing=INPUT,
        views=ImageViews(brightness=0.3, contrast=0.3),
        steps=STEPS,
        epoch_steps=STEPS,
        batch=BATCH,
    )
    backbone = build_backbone(BackboneSpec(name="vit_xxs", image_size=28, patch_size=4), seed=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        task: Objective = OBJECTIVES.load(chosen)(backbone, chosen, context)
    return task


@torch.no_grad()
def neighbours_say(task: Objective, radiographs: dict[str, Split]) -> Cases:
    """Ask 500 labelled images of the training split about those of the validation split."""
    task.eval()
    (bank, known), (asked, truth) = radiographs["train"], radiographs["val"]
    rows = np.linspace(0, len(bank) - 1, 500).round().astype(np.int64)
    features = [
        task.encoder(normalise(torch.from_numpy(images[:, None]), INPUT)).numpy()
        for images in (bank[rows], asked)
    ]
    said = neighbour_probabilities(features[0], known[rows], features[1], classes=2)
    return make_cases(truth, said, subjects=np.arange(len(truth)), classes=("normal", "pneumonia"))


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["dino", "dinov2"])
def test_neighbours_gain_over_random_weights(
    name: str, radiographs: dict[str, Split], tmp_path: Path
) -> None:
    """DINO alone gains little in so few steps, and its interval may hold 0: nothing spreads the
    features of its first steps but the differences that the teacher finds by itself.
    """
    task = task_of(name)
    before = neighbours_say(task, radiographs)
    images = torch.from_numpy(radiographs["train"][0][:, None])
    keys: dict[str, Any] = {"learning_rate": 2e-3, "warmup_steps": 6, "clip": 3.0}
    keys |= {"weight_decay": 0.04, "weight_decay_end": 0.4}
    own = options(steps=STEPS, batch=BATCH, checkpoint_steps=STEPS, **keys)
    fit_once(task, MemoryLoader(images, batch=BATCH), own, new_run(tmp_path))
    models = {"random": before, "pretrained": neighbours_say(task, radiographs)}
    gain = Comparison(models, metrics=["auc"]).difference("pretrained", "random", "auc")
    assert gain.delta is not None and gain.low is not None
    assert gain.low > (0 if name == "dinov2" else -0.03) and gain.delta > 0, gain
    records = read_jsonl(tmp_path / "metrics.jsonl")
    assert task.highest_entropy is not None
    assert 0.01 * task.highest_entropy < records[-1]["teacher_entropy"]
    assert records[-1]["prototype_usage"] > 0.1
    if name == "dinov2":  # in dino targets sharpen and flatten, and the loss with them
        losses = [record["loss"] for record in records]
        assert sum(losses[-10:]) < sum(losses[:10])
