"""Fine-tuning on drawn shapes: training, saved files and report."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from toy_data import Toy, balanced, toy_dataset, toy_run

from medfm_cli.commands.finetune.engine import run
from medfm_cli.commands.finetune.recipe import FinetuneRecipe
from medfm_cli.commands.finetune.task import ClassifyTask
from medfm_cli.data import Dataset
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.errors import DataError, Stopped
from medfm_cli.metrics import estimate, make_cases
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.classifier import Classifier
from medfm_cli.models.config import ModelConfig
from medfm_cli.models.directory import load_model, save_model
from medfm_cli.models.heads import linear
from medfm_cli.models.lineage import extend
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.runs import Callout, Figure, Result, Run
from medfm_cli.training.augmentations import ImageViews
from medfm_cli.training.features import class_probabilities

SPEC = BackboneSpec(name="vit_xxs", image_size=32)
FULL: dict[str, Any] = {
    "mode": "full",
    "epochs": 6,
    "batch": 8,
    "optimiser": {"learning_rate": 1e-3},
    "augment": {"crop": [0.9, 1.0]},
}


def recipe(data: Path, **values: Any) -> FinetuneRecipe:
    plain = {"data": str(data), "bootstrap": 100}
    if "model" not in values:
        plain |= {"model": "random"}
        if "like" not in values:
            plain |= {"backbone": SPEC.model_dump()}
    return FinetuneRecipe.model_validate(plain | values)


def callouts(result: Result, kind: str = "warn") -> str:
    blocks = [block for section in result.sections for block in section.blocks]
    return " ".join(b.text for b in blocks if isinstance(b, Callout) and b.kind == kind)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shapes")
    toy_dataset(root, balanced(subjects=6, images=3))
    return root


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory, shapes: Path) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    pretraining = toy_run(folder / "run", verb="pretrain")
    config = ModelConfig(
        kind="encoder",
        backbone=SPEC,
        preprocessing=Preprocessing(size=32, channels=1, mean=[0.3], std=[0.2]),
        lineage=extend(pretraining, inputs={}, datasets=[Dataset.open(shapes).card]),
    )
    save_model(folder / "model", build_backbone(SPEC, seed=11), config)
    return folder


@pytest.fixture(scope="module")
def probed(
    tmp_path_factory: pytest.TempPathFactory, shapes: Path, encoder: Path
) -> tuple[Run, Result]:
    here = toy_run(tmp_path_factory.mktemp("probe"))
    return here, run(recipe(shapes, model=str(encoder)), here)


def test_a_probe_learns_the_shapes(probed: tuple[Run, Result]) -> None:
    here, result = probed
    assert result.metrics["test"]["auc"]["value"] > 0.9
    assert (result.metrics["test"]["auc"]["n"], result.metrics["test"]["auc"]["subjects"]) == (
        27,
        9,
    )
    assert (here.dir / result.artefacts["model"] / "model.safetensors").is_file()
    for section in result.sections:
        for block in section.blocks:
            assert not isinstance(block, Figure) or (here.dir / block.path).is_file()
    assert "small" in callouts(result)
    assert "27 images of 9 subjects" in result.headline


def test_the_saved_model_is_the_one_that_was_scored(
    probed: tuple[Run, Result], shapes: Path
) -> None:
    here, _ = probed
    loaded = load_model(here.dir / "model", kind="classifier")
    dataset = Dataset.open(shapes)
    again = class_probabilities(
        loaded.module,
        dataset,
        dataset.rows(),
        preprocessing=loaded.config.preprocessing,
        run=here,
    )
    table = pq.read_table(here.dir / "predictions.parquet").to_pylist()
    predicted = {
        row["image_id"]: [row[f"probability_{c}"] for c in dataset.classes] for row in table
    }
    ids = dataset.column("image_id")
    np.testing.assert_allclose(again, [predicted[name] for name in ids], atol=1e-5)


def test_the_scores_can_be_recomputed_from_the_predictions(probed: tuple[Run, Result]) -> None:
    here, result = probed
    rows = [
        row
        for row in pq.read_table(here.dir / "predictions.parquet").to_pylist()
        if row["part"] == "test"
    ]
    classes = ["bars", "disc", "ring"]
    cases = make_cases(
        [classes.index(row["label"]) for row in rows],
        np.array([[row[f"probability_{name}"] for name in classes] for row in rows]),
        subjects=[row["subject_id"] for row in rows],
    )
    for name, found in estimate(cases, ["auc", "mcc", "ece"], draws=100).items():
        assert found.to_json() == result.metrics["test"][name]


def test_the_model_says_where_it_comes_from(
    probed: tuple[Run, Result], shapes: Path, encoder: Path
) -> None:
    here, _ = probed
    config = load_model(here.dir / "model").config
    assert [step.verb for step in config.lineage.steps] == ["pretrain", "finetune"]
    last = config.lineage.steps[-1]
    assert last.inputs["model"]
    (seen,) = last.seen
    dataset = Dataset.open(shapes)
    assert (seen.dataset, seen.splits, seen.labels) == (dataset.version, ["train", "val"], True)
    assert seen.count == len({dataset.column("image_id")[r] for r in dataset.rows()}) - 27
    assert config.preprocessing.mean == [0.3]
    assert {point.label for point in config.operating_points} <= {"bars", "disc", "ring"}
    assert all(0 < point.threshold < 1 and point.n == 27 for point in config.operating_points)
    assert "The test set is small" in (here.dir / "model" / "card.md").read_text()


def test_the_same_recipe_gives_the_same_model(
    probed: tuple[Run, Result], shapes: Path, encoder: Path, tmp_path: Path
) -> None:
    here, _ = probed
    run(recipe(shapes, model=str(encoder)), toy_run(tmp_path))
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "model" / name).read_bytes() == (here.dir / "model" / name).read_bytes()


def test_full_fine_tuning_learns_keeps_the_best_and_moves_the_encoder(
    shapes: Path, encoder: Path, tmp_path: Path
) -> None:
    views = {"augment": {"crop": [0.9, 1.0], "hue": 0.1, "allow": ["hue"]}}
    result = run(recipe(shapes, model=str(encoder), **FULL | views), toy_run(tmp_path))
    assert result.metrics["test"]["auc"]["value"] > 0.9
    assert "unsafe for these data: hue" in callouts(result), "grey images have no hue"
    before, after = load_model(encoder / "model"), load_model(tmp_path / "model")
    moved = [
        not torch.equal(a, b)
        for a, b in zip(before.backbone.parameters(), after.backbone.parameters(), strict=True)
    ]
    assert all(moved)
    assert after.config.head is not None
    assert after.config.head.kind == "linear"
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    losses = {line["step"]: line["val_loss"] for line in lines if "val_loss" in line}
    facts = after.config.card.training[-1].facts
    assert facts["step kept"] == min(losses, key=losses.__getitem__)


class Interrupted(Run):
    """A run that a signal reaches after some looks at it."""

    looks = 0

    @property
    def stop_requested(self) -> bool:
        self.looks += 1
        return self.looks > 10

    def check_stop(self) -> None:
        if self.looks > 10:
            raise Stopped(signal.SIGTERM)


def test_a_stopped_full_run_goes_on_to_the_same_weights(
    shapes: Path, encoder: Path, tmp_path: Path
) -> None:
    wanted = recipe(shapes, model=str(encoder), **FULL)
    run(wanted, toy_run(tmp_path / "whole"))
    part = toy_run(tmp_path / "parts")
    with pytest.raises(Stopped):
        run(wanted, Interrupted(**vars(part)))
    assert not (tmp_path / "parts" / "model").exists()
    run(wanted, toy_run(tmp_path / "parts"))
    for name in ("model.safetensors", "config.json"):
        one, two = ((tmp_path / way / "model" / name).read_bytes() for way in ("whole", "parts"))
        assert one == two, name


def test_the_random_twin_has_the_architecture_and_the_input_of_its_model(
    shapes: Path, encoder: Path, tmp_path: Path
) -> None:
    result = run(recipe(shapes, like=str(encoder)), toy_run(tmp_path))
    twin, model = load_model(tmp_path / "model").config, load_model(encoder / "model").config
    assert twin.backbone == model.backbone
    assert twin.preprocessing == model.preprocessing
    assert "random weights" in result.headline
    assert twin.lineage.steps[-1].inputs.keys() == {"data", "like"}


def test_another_image_size_resizes_the_encoder(
    shapes: Path, encoder: Path, tmp_path: Path
) -> None:
    run(recipe(shapes, model=str(encoder), image_size=48), toy_run(tmp_path))
    assert load_model(tmp_path / "model").config.preprocessing.size == 48


def test_without_validation_it_is_said_and_there_is_no_operating_point(tmp_path: Path) -> None:
    subjects = [toy for toy in balanced(subjects=3) if toy.split != "val"]
    toy_dataset(tmp_path / "data", subjects)
    for mode in ({}, FULL):
        folder = tmp_path / str(len(mode))
        result = run(recipe(tmp_path / "data", **mode), toy_run(folder))
        assert "no validation image" in callouts(result)
        assert result.metrics["operating_points"] == []
        assert load_model(folder / "model").config.operating_points == []


def test_without_a_test_split_the_scores_are_called_too_good(tmp_path: Path) -> None:
    toy_dataset(tmp_path / "data", [toy for toy in balanced(subjects=3) if toy.split != "test"])
    result = run(recipe(tmp_path / "data"), toy_run(tmp_path / "run"))
    assert "too good" in callouts(result)
    assert "on val" in result.headline


def test_a_class_without_training_images_is_named(tmp_path: Path) -> None:
    subjects = [t for t in balanced(subjects=3) if (t.label, t.split) != ("ring", "train")]
    toy_dataset(tmp_path / "data", subjects)
    for mode in ({}, FULL):
        result = run(recipe(tmp_path / "data", **mode), toy_run(tmp_path / str(len(mode))))
        assert "No training image has the class ring" in callouts(result)
        assert np.isfinite(result.metrics["test"]["brier"]["value"])


def test_tiles_of_an_image_are_one_case(tmp_path: Path) -> None:
    subjects = [
        Toy(label, split, images=2, tiles=tiles)
        for split in ("train", "train", "val", "test")
        for label, tiles in (("disc", 4), ("ring", 1))
    ]
    toy_dataset(tmp_path / "data", subjects)
    result = run(recipe(tmp_path / "data"), toy_run(tmp_path / "run"))
    assert result.metrics["test"]["auc"]["n"] == 4
    assert pq.read_table(tmp_path / "run" / "predictions.parquet").num_rows == 16


def test_two_classes_have_one_operating_point(tmp_path: Path) -> None:
    toy_dataset(tmp_path / "data", balanced(("disc", "ring"), subjects=4))
    result = run(recipe(tmp_path / "data"), toy_run(tmp_path / "run"))
    assert [point["label"] for point in result.metrics["operating_points"]] == ["ring"]


def test_training_images_of_one_class_are_refused(tmp_path: Path) -> None:
    toy_dataset(tmp_path / "data", [Toy("disc", "train"), Toy("ring", "test")])
    with pytest.raises(DataError, match="1 class only"):
        run(recipe(tmp_path / "data"), toy_run(tmp_path / "run"))
    assert not (tmp_path / "run" / "model").exists()


def test_class_weights_are_settled_from_the_training_images(tmp_path: Path) -> None:
    many = [Toy("disc", "train")] * 5 + [Toy("ring", "train")] + balanced(("disc", "ring"))[8:]
    toy_dataset(tmp_path / "data", many)
    here = toy_run(tmp_path / "run")
    run(recipe(tmp_path / "data"), here)
    assert here.resolved["class_weights"]["value"] == "balanced"
    assert "5.0 times" in here.resolved["class_weights"]["why"]


def task(**values: Any) -> ClassifyTask:
    backbone = build_backbone(SPEC, seed=0)
    return ClassifyTask(
        Classifier(backbone, linear(backbone.dim, 2)),
        preprocessing=Preprocessing(size=32, channels=1),
        augmentation=ImageViews(crop=[1.0, 1.0], ratio=1.0),
        row_weights=np.ones(4, np.float32),
        **values,
    )


def test_lower_blocks_learn_more_slowly() -> None:
    layered = task(layer_decay=0.5)
    scales = {name: layered.rate_scale(name) for name, _ in layered.named_parameters()}
    backbone = "classifier.backbone.net."
    assert scales["classifier.head.weight"] == 1.0
    assert scales[f"{backbone}norm.weight"] == 1.0
    assert scales[f"{backbone}blocks.3.attn.qkv.weight"] == 0.5
    assert scales[f"{backbone}blocks.0.attn.qkv.weight"] == 0.5**4
    assert scales[f"{backbone}patch_embed.proj.weight"] == 0.5**5
    assert scales[f"{backbone}pos_embed"] == 0.5**5
    assert {task().rate_scale(name) for name in scales} == {1.0}


def test_each_loss_is_weighted_and_does_not_depend_on_the_part() -> None:
    whole = task()
    images, labels = torch.rand(4, 1, 32, 32), torch.tensor([0, 1, 1, 0])
    weights = torch.tensor([2.0, 0.5, 0.5, 1.0])
    loss = whole(images, labels, weights)["loss"]
    each = torch.nn.functional.cross_entropy(whole.classifier(images), labels, reduction="none")
    assert torch.allclose(loss, each * weights)
    halves = [whole(images[i : i + 2], labels[i : i + 2], weights[i : i + 2]) for i in (0, 2)]
    assert torch.allclose(loss, torch.cat([half["loss"] for half in halves]))
