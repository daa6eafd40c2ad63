"""Export: the bundle answers as the model does, says where it comes from, or is not written."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from pydantic import ValidationError
from toy_bundle import SIZE, toy_export, toy_model, traced_dataset

from medfm_cli.commands.export import engine
from medfm_cli.commands.export.evaluation import evaluation_hash, evaluation_metrics
from medfm_cli.commands.export.graph import Graph
from medfm_cli.commands.export.plan import inputs, plan
from medfm_cli.commands.export.recipe import ExportRecipe
from medfm_cli.data import Dataset
from medfm_cli.errors import DataError, RunFailed, UsageError
from medfm_cli.inference.bundle import open_bundle
from medfm_cli.inference.session import OnnxSession
from medfm_cli.models.config import ModelConfig, content_hash
from medfm_cli.models.directory import load_model
from medfm_cli.models.inputs import normalise


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return traced_dataset(tmp_path_factory.mktemp("data") / "dataset")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Path:
    return toy_model(tmp_path_factory.mktemp("model") / "model", dataset)


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory, model: Path, dataset: Dataset
) -> tuple[Path, Any]:
    return toy_export(tmp_path_factory.mktemp("export"), model, dataset)


def test_the_graph_takes_stored_bytes_in_any_number(exported: Any, model: Path) -> None:
    bundle = open_bundle(exported[0])
    session = OnnxSession(bundle.model, threads=1)
    loaded = load_model(model)
    for count in (1, 3, 32):
        images = np.random.default_rng(count).integers(0, 256, (count, 1, SIZE, SIZE), np.uint8)
        found = session.run(images)
        with torch.inference_mode():
            logits = loaded.module(normalise(torch.from_numpy(images), loaded.config.preprocessing))
        np.testing.assert_allclose(found["logits"], logits, atol=1e-4)
        np.testing.assert_allclose(found["probabilities"], logits.softmax(1), atol=1e-5)
        assert found["features"].shape == (count, 64)


def test_the_bundle_holds_all_that_is_needed(exported: Any, model: Path) -> None:
    bundle = open_bundle(exported[0])
    config = load_model(model).config
    assert sorted(path.name for path in bundle.root.iterdir()) == [
        "bundle.json",
        "card.md",
        "lineage.json",
        "model.onnx",
        "sources.txt",
    ]
    assert bundle.card.preprocessing == config.preprocessing
    assert bundle.card.label_schema == config.label_schema
    assert bundle.card.weights_sha256 == config.weights_sha256
    assert sorted(bundle.card.files) == ["card.md", "lineage.json", "model.onnx", "sources.txt"]


def test_the_chain_goes_back_to_the_sha256_of_every_source_file(
    exported: Any, dataset: Dataset
) -> None:
    bundle = exported[0]
    chain = json.loads((bundle / "lineage.json").read_text())
    assert [step["verb"] for step in chain["steps"]] == ["pretrain", "finetune", "export"]
    model_sha256 = hashlib.sha256((bundle / "model.onnx").read_bytes()).hexdigest()
    assert chain["steps"][-1]["output"] == model_sha256
    assert chain["steps"][1]["output"] == load_model_hash(bundle)
    lines = [line.split() for line in (bundle / "sources.txt").read_text().splitlines()]
    assert {sha for sha, _ in lines} == set(dataset.column("source_sha256"))
    assert {version for _, version in lines} == {dataset.version[:12]}
    digest = hashlib.sha256("".join(f"{sha}\n" for sha, _ in lines).encode()).hexdigest()
    assert digest == chain["datasets"][0]["source_digest"]


def load_model_hash(bundle: Path) -> str:
    return str(json.loads((bundle / "bundle.json").read_text())["weights_sha256"])


def test_the_same_model_gives_the_same_bundle_and_no_path_of_this_machine(
    exported: Any, tmp_path: Path, model: Path, dataset: Dataset, repository: Path
) -> None:
    again, _ = toy_export(tmp_path / "again", model, dataset)
    for name in ("model.onnx", "bundle.json", "card.md", "lineage.json", "sources.txt"):
        content = (again / name).read_bytes()
        assert content == (exported[0] / name).read_bytes(), name
        assert str(repository).encode() not in content, name
        assert str(dataset.root).encode() not in content, name


def test_the_model_passes_the_checker_of_onnx(exported: Any) -> None:
    onnx.checker.check_model(str(exported[0] / "model.onnx"), full_check=True)


def test_parity_and_latency_are_measured_on_real_rows(exported: Any, dataset: Dataset) -> None:
    metrics = exported[1].metrics
    assert metrics["parity"]["images"] == len(dataset.rows("test"))
    assert metrics["parity"]["difference"] < 1e-4
    assert metrics["parity"]["agreement"] == 1.0
    assert [item["batch"] for item in metrics["latency"]] == [1]
    assert all(item["onnxruntime"] > 0 for item in metrics["latency"])
    assert "agrees with PyTorch" in exported[1].headline


def test_a_busy_machine_is_reported_beside_its_times() -> None:
    from medfm_cli.commands.export import report
    from medfm_cli.commands.export.latency import Latency
    from medfm_cli.commands.export.parity import Parity

    parity = Parity(6, "logits", 1e-6, 1e-7, 1.0, 1e-3)
    times = {"batch": 1, "threads": 2, "repeats": 5, "onnxruntime_fastest": 0.001}
    quiet = Latency(**times, onnxruntime=0.0011, pytorch=0.004, pytorch_fastest=0.004)
    busy = Latency(**times, onnxruntime=0.0011, pytorch=0.4, pytorch_fastest=0.004)
    assert not quiet.disturbed
    assert busy.disturbed
    assert "busy" not in report.headline(parity, [quiet], size=1000)
    assert "busy" in report.headline(parity, [busy], size=1000)
    assert report._disturbance([quiet]) == []
    assert "100.0 times" in str(report._disturbance([quiet, busy]))


def test_both_runtimes_run_equally_often_and_time_is_limited() -> None:
    from medfm_cli.commands.export.latency import _alternate

    calls: list[str] = []
    times = _alternate(lambda: calls.append("a"), lambda: calls.append("b"), 7, 60)
    assert [len(found) for found in times] == [7, 7]
    assert calls.count("a") == calls.count("b")
    slow = _alternate(lambda: time.sleep(0.02), lambda: time.sleep(0.02), 1000, 0.05)
    assert [len(found) for found in slow] == [1, 1]


def test_a_difference_above_the_tolerance_leaves_no_bundle(
    tmp_path: Path, model: Path, dataset: Dataset
) -> None:
    with pytest.raises(RunFailed, match=r"differ by .* in a logit on 6 images; 1e-12 is allowed"):
        toy_export(tmp_path / "run", model, dataset, parity={"tolerance": 1e-12})
    assert not list((tmp_path / "run").glob("**/*.onnx"))


def test_a_graph_that_answers_wrongly_is_found(
    tmp_path: Path, model: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Graph.forward

    def scaled(self: Graph, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        logits, *rest = right(self, image)
        return logits * (1.0 if torch.compiler.is_exporting() else 1.01), *rest

    monkeypatch.setattr(Graph, "forward", scaled)
    with pytest.raises(RunFailed, match="differ by"):
        toy_export(tmp_path / "run", model, dataset)


@pytest.mark.parametrize("opset", [18, 23])
def test_an_encoder_is_exported_with_its_features(
    tmp_path: Path, dataset: Dataset, opset: int
) -> None:
    encoder = toy_model(tmp_path / "model", dataset, kind="encoder")
    bundle, result = toy_export(tmp_path / "run", encoder, dataset, opset=opset)
    assert OnnxSession(bundle / "model.onnx").outputs == ["features"]
    assert result.metrics["parity"]["agreement"] is None
    assert open_bundle(bundle).card.opset == opset


def test_many_labels_give_independent_probabilities(tmp_path: Path, dataset: Dataset) -> None:
    several = toy_model(tmp_path / "model", dataset, label_kind="multi")
    bundle, _ = toy_export(tmp_path / "run", several, dataset)
    images = np.zeros((1, 1, SIZE, SIZE), np.uint8)
    found = OnnxSession(bundle / "model.onnx").run(images)
    np.testing.assert_allclose(
        found["probabilities"], 1 / (1 + np.exp(-found["logits"])), atol=1e-6
    )


def test_other_backbones_of_timm_are_exported_too(tmp_path: Path, dataset: Dataset) -> None:
    from medfm_cli.data.preprocess import Preprocessing
    from medfm_cli.models.backbones import build_backbone
    from medfm_cli.models.directory import save_model
    from medfm_cli.models.spec import BackboneSpec

    spec = BackboneSpec(name="resnet10t", image_size=SIZE)
    config = ModelConfig(kind="encoder", backbone=spec, preprocessing=Preprocessing(size=SIZE))
    save_model(tmp_path / "model", build_backbone(spec, seed=1), config)
    _, result = toy_export(tmp_path / "run", tmp_path / "model", dataset)
    assert result.metrics["parity"]["difference"] < 1e-3


def test_weights_that_one_file_cannot_hold_are_refused(
    tmp_path: Path, model: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medfm_cli.commands.export.graph.LARGEST", 1000)
    with pytest.raises(UsageError, match="an ONNX file is limited to 2 GB"):
        toy_export(tmp_path / "run", model, dataset)


def test_sources_that_cannot_be_listed_are_reported(tmp_path: Path, model: Path) -> None:
    other = traced_dataset(tmp_path / "other", seed=9)
    bundle, result = toy_export(tmp_path / "run", model, other)
    assert (bundle / "sources.txt").read_text() == ""
    document = json.dumps(result.to_json())
    assert "the dataset is not named in the recipe" in document


def test_further_datasets_complete_the_list(tmp_path: Path, model: Path, dataset: Dataset) -> None:
    other = traced_dataset(tmp_path / "other", seed=9)
    _, result = toy_export(tmp_path / "run", model, other, datasets=[str(dataset.root)])
    assert result.metrics["sources"] == dataset.card.lineage.source_count


def test_splits_are_chosen_or_refused(tmp_path: Path, model: Path, dataset: Dataset) -> None:
    _, result = toy_export(tmp_path / "run", model, dataset, split="train", parity={"samples": 5})
    assert result.metrics["parity"]["images"] == 5
    from toy_data import Toy, toy_dataset

    untested = toy_dataset(tmp_path / "data", [Toy("disc", "train"), Toy("ring", "train")])
    with pytest.raises(DataError, match="has no images in its split 'test'"):
        toy_export(tmp_path / "no", model, untested, split="test")


def score(value: float | None) -> dict[str, Any]:
    return {"value": value, "low": 0.8, "high": 1.0, "n": 30, "subjects": 6, "draws": 10}


def write_evaluation(folder: Path, model: Path) -> Path:
    """A result.json as `medfm eval` writes it."""
    folder.mkdir()
    board = {"protocol": "cross-validation", "folds": 5, "images": 30, "subjects": 6}
    scores = {"full": {"auc": score(0.91), "mcc": score(None)}, "majority": {"auc": score(0.5)}}
    held = {"protocol": "holdout", "folds": None, "scores": {"full": {"auc": score(0.875)}}}
    document = {
        "status": "done",
        "inputs": {"data": "d", "models.full": content_hash(model)},
        "metrics": {**board, "scores": scores, "holdout": held},
    }
    (folder / "result.json").write_text(json.dumps(document))
    return folder


def test_measured_numbers_and_their_limits_go_into_the_card(
    tmp_path: Path, model: Path, dataset: Dataset
) -> None:
    evaluation = write_evaluation(tmp_path / "eval", model)
    bundle, result = toy_export(
        tmp_path / "run",
        model,
        dataset,
        eval=str(evaluation),
        intended_use="Telling shapes apart in tests.",
        limitations=["Drawn shapes only."],
    )
    card = (bundle / "card.md").read_text()
    trial = "5-fold cross-validation | 30 | 6"
    assert f"| this model (full) | {trial} | 0.91 (0.80 to 1.00) |" in card
    assert f"| majority | {trial} | 0.50 (0.80 to 1.00) |" in card
    assert "| this model (full) | holdout | 30 | 6 | 0.88 (0.80 to 1.00) |" in card
    assert "MCC" not in card
    assert "Telling shapes apart in tests." in card
    assert "- Drawn shapes only." in card
    assert "as few as 6 subjects" in card
    assert "### finetune: toy" in card
    assert "largest difference of a logit" in card
    assert any(section.title == "Model card" for section in result.sections)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "is not a finished run"),
        ("[]", "is not a finished run"),
        ('{"status": "done"}', "is not a finished run"),
        ('{"status": "failed", "metrics": {}}', "is not finished"),
        ('{"status": "done", "metrics": {}}', "has no evaluation metrics"),
        ('{"status": "done", "metrics": {"scores": [1]}}', "has no evaluation metrics"),
    ],
)
def test_an_evaluation_that_is_none_is_refused(
    tmp_path: Path, document: str | None, message: str
) -> None:
    if document is not None:
        (tmp_path / "result.json").write_text(document)
    with pytest.raises(DataError, match=message):
        evaluation_metrics(str(tmp_path), model="m")


def test_the_identity_of_a_run_depends_on_what_it_reads(
    tmp_path: Path, model: Path, dataset: Dataset
) -> None:
    evaluation = write_evaluation(tmp_path / "eval", model)
    recipe = ExportRecipe(model=str(model), data=str(dataset.root), eval=str(evaluation))
    assert set(inputs(recipe)) == {"model", "data", "eval"}
    assert inputs(recipe)["eval"] == evaluation_hash(str(evaluation))
    assert plan(recipe).disk_bytes > 0
    assert any("vit_xxs" in line for line in plan(recipe).lines)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"opset": 7}, "greater than or equal to 18"),
        ({"formats": ["tflite"]}, "Input should be 'onnx'"),
        ({"latency": {"batch_sizes": [0]}}, "greater than or equal to 1"),
        ({"latency": {"batch_sizes": []}}, "at least 1 item"),
        ({"parity": {"tolerence": 1}}, "Extra inputs"),
    ],
)
def test_what_the_recipe_cannot_mean_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ExportRecipe.model_validate({"model": "m", "data": "d", **change})


def test_a_stop_between_steps_leaves_no_bundle(
    tmp_path: Path, model: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medfm_cli.errors import Stopped

    def stop(*_: object, **__: object) -> None:
        raise Stopped(15)

    monkeypatch.setattr(engine, "measure_latency", stop)
    with pytest.raises(Stopped):
        toy_export(tmp_path / "run", model, dataset)
    assert not (tmp_path / "run" / "bundle").exists()
