"""Evaluation on drawn shapes: protocols, baselines, differences, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from toy_data import Toy, balanced, toy_dataset, toy_run

from medfm_cli.commands.eval.cutting import cut_otherwise
from medfm_cli.commands.eval.engine import run
from medfm_cli.commands.eval.recipe import BASELINES, EvalRecipe
from medfm_cli.commands.finetune.engine import run as finetune
from medfm_cli.commands.finetune.recipe import FinetuneRecipe
from medfm_cli.data import Cutting, Dataset
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.errors import DataError, UsageError
from medfm_cli.metrics import SCORERS, estimate, make_cases
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.config import ModelConfig
from medfm_cli.models.directory import load_model, save_model
from medfm_cli.models.lineage import extend
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.recipe.load import load
from medfm_cli.runs import Callout, Figure, Result, Run
from medfm_cli.scoring.images import labelled_images

SPEC = BackboneSpec(name="vit_xxs", image_size=32)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset `data`, an encoder `encoder` and a classifier `classifier` trained on it."""
    root = tmp_path_factory.mktemp("world")
    dataset = toy_dataset(root / "data", balanced(subjects=6, images=2))
    pretraining = toy_run(root / "encoder", verb="pretrain")
    config = ModelConfig(
        kind="encoder",
        backbone=SPEC,
        preprocessing=Preprocessing(size=32, channels=1),
        lineage=extend(pretraining, inputs={}, datasets=[dataset.card]),
    )
    save_model(root / "encoder" / "model", build_backbone(SPEC, seed=11), config)
    values = {"data": str(root / "data"), "model": str(root / "encoder"), "bootstrap": 100}
    finetune(FinetuneRecipe.model_validate(values), toy_run(root / "classifier"))
    return root


def recipe(world: Path, *models: str, data: str = "data", **values: Any) -> EvalRecipe:
    found = {name: str(world / name) for name in models or ("encoder",)}
    plain = {"data": str(world / data), "models": found, "bootstrap": 200}
    return EvalRecipe.model_validate(plain | values)


def callouts(result: Result, kind: str) -> str:
    blocks = [block for section in result.sections for block in section.blocks]
    return " ".join(b.text for b in blocks if isinstance(b, Callout) and b.kind == kind)


@pytest.fixture(scope="module")
def crossed(world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Result]:
    here = toy_run(tmp_path_factory.mktemp("crossed"), verb="eval")
    return here, run(recipe(world, "encoder", "classifier"), here)


def test_few_subjects_are_cross_validated_and_the_reason_is_recorded(
    crossed: tuple[Run, Result],
) -> None:
    here, result = crossed
    assert result.metrics["protocol"] == "cross-validation"
    assert here.resolved["protocol"]["why"].startswith("only 18 labelled subjects")
    assert here.resolved["folds"]["value"] == result.metrics["folds"] == 5
    assert here.resolved["class_weights"]["value"] == "balanced"
    assert (result.metrics["images"], result.metrics["subjects"]) == (72, 36)
    assert list(result.metrics["scores"]) == ["encoder", *BASELINES]
    assert result.metrics["scores"]["encoder"]["auc"]["value"] > 0.9


def test_the_classifier_is_scored_on_the_held_out_split_beside_everything_else(
    crossed: tuple[Run, Result],
) -> None:
    _, result = crossed
    held = result.metrics["holdout"]
    assert (held["protocol"], held["images"], held["subjects"]) == ("holdout", 18, 9)
    assert list(held["scores"]) == ["encoder", "classifier", *BASELINES]
    # the classifier is the very probe that the encoder gets on the same split
    assert held["scores"]["classifier"]["auc"] == held["scores"]["encoder"]["auc"]
    assert "classifier was trained on no subject of the test split" in callouts(result, "good")


def test_a_constant_predictor_scores_by_chance(crossed: tuple[Run, Result]) -> None:
    _, result = crossed
    for board in (result.metrics, result.metrics["holdout"]):
        majority = board["scores"]["majority"]
        assert majority["auc"]["value"] == 0.5
        assert majority["mcc"]["value"] == 0.0
        assert majority["balanced_accuracy"]["value"] == pytest.approx(1 / 3)


def test_every_image_is_predicted_once_and_all_can_be_recomputed(
    crossed: tuple[Run, Result], world: Path
) -> None:
    here, result = crossed
    rows = pq.read_table(here.dir / "predictions.parquet").to_pylist()
    mine = [r for r in rows if (r["method"], r["part"]) == ("encoder", "cross-validation")]
    dataset = Dataset.open(world / "data")
    assert sorted(r["image_id"] for r in mine) == sorted(set(dataset.column("image_id")))
    folds: dict[str, set[int]] = {}
    for row in mine:
        folds.setdefault(row["subject_id"], set()).add(row["fold"])
    assert all(len(there) == 1 for there in folds.values())
    classes = dataset.classes
    cases = make_cases(
        [classes.index(row["label"]) for row in mine],
        np.array([[row[f"probability_{name}"] for name in classes] for row in mine]),
        subjects=[row["subject_id"] for row in mine],
    )
    for name, found in estimate(cases, list(SCORERS), draws=200).items():
        assert found.to_json() == result.metrics["scores"]["encoder"][name]


def test_differences_are_paired_and_no_gain_is_said(crossed: tuple[Run, Result]) -> None:
    _, result = crossed
    found = {(d["model"], d["baseline"], d["metric"]): d for d in result.metrics["differences"]}
    beside = found["encoder", "random", "auc"]
    scores = result.metrics["scores"]
    delta = scores["encoder"]["auc"]["value"] - scores["random"]["auc"]["value"]
    assert beside["delta"] == pytest.approx(delta)
    assert found["encoder", "majority", "auc"]["verdict"] == "gain"
    assert beside["verdict"] == "no gain"  # the encoder of this test is random itself
    assert "no gain" in callouts(result, "note")
    assert "no gain" in result.headline


def test_the_report_says_how_small_it_is_and_has_its_pictures(
    crossed: tuple[Run, Result],
) -> None:
    here, result = crossed
    assert "72 images of 36 subjects" in callouts(result, "warn")
    assert "pretrained on images of this dataset" in callouts(result, "note")
    figures = [b for s in result.sections for b in s.blocks if isinstance(b, Figure)]
    assert {figure.path for figure in figures} >= {
        "figures/confusion.svg",
        "figures/reliability.svg",
        "figures/scores.svg",
        "figures/scores-held-out.svg",
    }
    assert all((here.dir / figure.path).is_file() for figure in figures)
    assert result.summary is not None
    assert len(result.summary.rows) == 4 + 5


def test_the_same_evaluation_gives_the_same_numbers_and_reuses_features(
    crossed: tuple[Run, Result], world: Path
) -> None:
    here, result = crossed
    features = sorted((here.dir / "features").iterdir())
    assert len(features) == 2
    stamps = [path.stat().st_mtime_ns for path in features]
    again = run(recipe(world, "encoder", "classifier"), toy_run(here.dir, verb="eval"))
    assert again.metrics == result.metrics
    assert [path.stat().st_mtime_ns for path in features] == stamps


def test_holdout_when_asked_for(world: Path, tmp_path: Path) -> None:
    result = run(recipe(world, "classifier", protocol="holdout"), toy_run(tmp_path))
    assert result.metrics["protocol"] == "holdout"
    assert "holdout" not in result.metrics
    assert list(result.metrics["scores"]) == ["classifier", *BASELINES]


def test_classifiers_alone_are_held_out(world: Path, tmp_path: Path) -> None:
    here = toy_run(tmp_path)
    run(recipe(world, "classifier"), here)
    assert here.resolved["protocol"]["value"] == "holdout"
    with pytest.raises(UsageError, match="names no encoder"):
        run(recipe(world, "classifier", protocol="cross-validation"), toy_run(tmp_path / "b"))


def test_enough_subjects_are_held_out(world: Path, tmp_path: Path) -> None:
    toy_dataset(tmp_path / "data", balanced(("disc", "ring"), subjects=24, images=1))
    here = toy_run(tmp_path / "run")
    values = {"baselines": ["majority"], "errors_shown": 0}
    found = recipe(world, data=str(tmp_path / "data"), **values)
    assert run(found, here).metrics["protocol"] == "holdout"
    assert here.resolved["protocol"]["why"].startswith("48 labelled subjects")


def test_a_classifier_is_not_scored_on_people_it_knows(world: Path, tmp_path: Path) -> None:
    """The same images under another split: recognised by their pixels."""
    turned = [
        Toy(t.label, {"train": "test", "test": "train"}.get(t.split, t.split), t.images)
        for t in balanced(subjects=6, images=2)
    ]
    toy_dataset(tmp_path / "data", turned)
    assert Dataset.open(tmp_path / "data").version != Dataset.open(world / "data").version
    with pytest.raises(DataError, match="'classifier' was trained on 18 of the 18 subjects"):
        run(recipe(world, "classifier", data=str(tmp_path / "data")), toy_run(tmp_path / "run"))


def test_other_people_are_fine_and_an_unknown_past_is_a_caution(
    world: Path, tmp_path: Path
) -> None:
    toy_dataset(tmp_path / "data", balanced(subjects=6), seed=7)
    known = run(
        recipe(world, "classifier", data=str(tmp_path / "data")), toy_run(tmp_path / "known")
    )
    assert "trained on another dataset" in callouts(known, "good")
    forget(world / "classifier", tmp_path / "forgetful")
    values = {"models": {"forgetful": str(tmp_path / "forgetful")}}
    unknown = run(recipe(world, data=str(tmp_path / "data"), **values), toy_run(tmp_path / "run"))
    assert "not known whether" in callouts(unknown, "warn")


def forget(model: Path, target: Path) -> None:
    """A copy of a classifier that does not say what it was trained on."""
    from medfm_cli.models.directory import load_model

    loaded = load_model(model / "model")
    save_model(
        target,
        loaded.module,
        loaded.config.model_copy(
            update={"lineage": extend(toy_run(target.parent / "past"), inputs={})}
        ),
    )


def test_other_classes_are_refused(world: Path, tmp_path: Path) -> None:
    toy_dataset(tmp_path / "data", balanced(("disc", "ring"), subjects=4), seed=5)
    with pytest.raises(DataError, match="has the classes bars, disc, ring"):
        run(recipe(world, "classifier", data=str(tmp_path / "data")), toy_run(tmp_path / "run"))


@pytest.mark.parametrize(
    ("cutting", "refused"),
    [
        ({"tile": 16}, True),
        ({"max_side": 20}, True),
        ({"tile": 17, "max_side": 32, "frames": 9}, False),  # the images are too small for tiles
        ({"planes": ["coronal"]}, False),  # no image of the dataset comes from a volume
    ],
)
def test_a_classifier_that_cuts_images_otherwise_is_not_scored(
    world: Path, tmp_path: Path, cutting: dict[str, Any], refused: bool
) -> None:
    """`predict` would answer from other pixels than those whose score is reported."""
    loaded = load_model(world / "classifier" / "model", takes="image")
    how = loaded.config.preprocessing.model_copy(update=cutting)
    config = loaded.config.model_copy(update={"preprocessing": how})
    save_model(tmp_path / "other", loaded.module, config)
    asked = recipe(world, models={"other": str(tmp_path / "other")}, baselines=[])
    if not refused:
        assert "auc" in run(asked, toy_run(tmp_path / "run")).metrics["scores"]["other"]
        return
    with pytest.raises(DataError, match="72 of the 72 labelled images") as e:
        run(asked, toy_run(tmp_path / "run"))
    assert "are cut otherwise than the classifier 'other' cuts new images" in str(e.value)
    key, value = next(iter(cutting.items()))
    assert f"'tile.{key.replace('tile', 'size')}={value}'" in str(e.value.hint)


def test_tiles_of_another_size_are_counted_by_image(tmp_path: Path) -> None:
    dataset = toy_dataset(tmp_path / "data", [Toy(n, "test", 2, tiles=2) for n in ("disc", "ring")])
    samples = dataset.samples.set_column(
        dataset.samples.schema.get_field_index("facts"),
        "facts",
        pa.array(['{"tile": [0, 0]}', '{"tile": [0, 30]}'] * 4),
    )
    card = dataset.card.model_copy(update={"cutting": Cutting(tile=32, tiling="sample")})
    tiled = Dataset(dataset.root, card, samples)
    images = labelled_images(dataset)
    assert cut_otherwise(tiled, images, Cutting(tile=32, tiling="sample", frames=2)) == 0
    assert cut_otherwise(tiled, images, Cutting(tile=32, tiling="grid")) == 4
    assert cut_otherwise(tiled, images, Cutting()) == 4


def test_a_class_with_one_subject_is_not_scored_but_reported(world: Path, tmp_path: Path) -> None:
    subjects = [*balanced(("disc", "ring"), subjects=4), Toy("bars", "train")]
    toy_dataset(tmp_path / "data", subjects)
    found = recipe(world, data=str(tmp_path / "data"), baselines=["majority"])
    result = run(found, toy_run(tmp_path / "run"))
    assert "bars: one subject only" in callouts(result, "warn")
    assert result.metrics["images"] == 32


def test_the_gate(world: Path, tmp_path: Path) -> None:
    values = {"protocol": "holdout", "baselines": []}
    passed = run(recipe(world, gate={"auc": 0.6, "brier": 0.9}, **values), toy_run(tmp_path / "a"))
    assert passed.gate is None
    failed = run(recipe(world, gate={"mcc": 1.1, "brier": 0.0}, **values), toy_run(tmp_path / "b"))
    assert failed.gate is not None
    assert "MCC of encoder is" in failed.gate
    assert "below 1.1" in failed.gate
    assert "above 0" in failed.gate
    assert "no baseline" in callouts(failed, "warn").lower()


def test_tiles_are_averaged_and_bootstrap_draws_subjects(world: Path, tmp_path: Path) -> None:
    subjects = [Toy(t.label, t.split, 1, tiles=3) for t in balanced(subjects=4)]
    toy_dataset(tmp_path / "data", subjects)
    result = run(recipe(world, data=str(tmp_path / "data")), toy_run(tmp_path / "run"))
    assert (result.metrics["images"], result.metrics["subjects"]) == (24, 24)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"models": {}}, "at least 1"),
        ({"models": {"random": "x"}}, "name of a baseline"),
        ({"gate": {"aucc": 0.5}}, "'auc'"),
        ({"baselines": ["pixel"]}, "'pixels'"),
        ({"folds": 1}, "greater than or equal to 2"),
    ],
)
def test_wrong_recipes_are_refused(values: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        EvalRecipe.model_validate({"data": "d", "models": {"a": "b"}} | values)


@pytest.mark.parametrize("name", ["compare", "gate"])
def test_shipped_recipes_are_valid(name: str) -> None:
    load(f"eval/{name}", ["data=d", "models.a=m"], verb="eval", model=EvalRecipe)
