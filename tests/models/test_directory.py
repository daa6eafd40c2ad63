"""The model directory: whole or not at all, and checked when it is read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from sealing import reseal

from medfm_cli.data.card import LabelSchema
from medfm_cli.data.inputs import SignalInput
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.errors import DataError
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.classifier import Classifier
from medfm_cli.models.config import ModelConfig, content_hash, read_config
from medfm_cli.models.directory import load_encoder, load_model, save_model
from medfm_cli.models.heads import build_head
from medfm_cli.models.inputs import normalise
from medfm_cli.models.spec import BackboneSpec, HeadSpec, PatchSpec
from medfm_cli.models.weights import load_backbone_weights

SPEC = BackboneSpec(name="vit_xxs", image_size=32)
PREPROCESSING = Preprocessing(size=32)
CLASSES = ["CT", "MR", "US"]


def save_encoder(directory: Path, seed: int = 1) -> Path:
    config = ModelConfig(kind="encoder", backbone=SPEC, preprocessing=PREPROCESSING)
    save_model(directory, build_backbone(SPEC, seed=seed), config)
    return directory


def a_classifier(head: HeadSpec | None = None) -> tuple[Classifier, ModelConfig]:
    head = head or HeadSpec(kind="probe", classes=3)
    backbone = build_backbone(SPEC, seed=2)
    config = ModelConfig(
        kind="classifier",
        backbone=SPEC,
        head=head,
        preprocessing=PREPROCESSING,
        label_schema=LabelSchema(kind="single", classes=CLASSES[: head.classes]),
    )
    return Classifier(backbone, build_head(head, dim=backbone.dim)).eval(), config


def test_an_encoder_round_trips_under_timms_own_names(tmp_path: Path) -> None:
    directory = save_encoder(tmp_path / "model")
    assert sorted(path.name for path in directory.iterdir()) == [
        "card.md",
        "config.json",
        "model.safetensors",
    ]
    assert "blocks.0.attn.qkv.weight" in load_file(directory / "model.safetensors")
    loaded = load_model(directory, kind="encoder")
    assert loaded.report.coverage == 1.0
    assert not loaded.module.training
    images = torch.randn(2, 1, 32, 32)
    torch.testing.assert_close(loaded.module(images), build_backbone(SPEC, seed=1).eval()(images))


def test_a_classifier_round_trips_with_the_statistics_of_its_head(tmp_path: Path) -> None:
    classifier, config = a_classifier()
    classifier.train()(torch.randn(8, 1, 32, 32))  # moves the running mean
    classifier.eval()
    written = save_model(tmp_path / "model", classifier, config)
    loaded = load_model(tmp_path / "model")
    images = torch.randn(2, 1, 32, 32)
    torch.testing.assert_close(loaded.module(images), classifier(images))
    assert loaded.config == written == read_config(tmp_path / "model")
    assert written.parameters == sum(p.numel() for p in classifier.parameters())


def test_the_encoder_of_a_classifier_can_be_taken_alone_and_resized(tmp_path: Path) -> None:
    classifier, config = a_classifier()
    save_model(tmp_path / "model", classifier, config)
    same = load_encoder(tmp_path / "model", image_size=32)
    assert same.module is same.backbone
    larger = load_encoder(tmp_path / "model", image_size=64)
    assert larger.report.resized == ["pos_embed"]
    assert larger.config.backbone.image_size == larger.config.preprocessing.size == 64
    assert larger.module(torch.randn(1, 1, 64, 64)).shape == (1, 64)


def test_saving_twice_gives_the_same_bytes_and_the_same_hash(tmp_path: Path) -> None:
    one, two = save_encoder(tmp_path / "one"), save_encoder(tmp_path / "two")
    assert content_hash(one) == content_hash(two)
    assert content_hash(one) != content_hash(save_encoder(tmp_path / "three", seed=3))
    for name in ("config.json", "model.safetensors", "card.md"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_a_failed_save_leaves_the_old_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = save_encoder(tmp_path / "model")
    before = content_hash(directory)

    def full(_: ModelConfig) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("medfm_cli.models.directory.render_model_card", full)
    with pytest.raises(OSError, match="No space"):
        save_encoder(directory, seed=4)
    assert content_hash(directory) == before
    assert load_model(directory).report.coverage == 1.0


def test_weights_that_were_changed_are_refused(tmp_path: Path) -> None:
    directory = save_encoder(tmp_path / "model")
    weights = directory / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(DataError, match="the sha256 differs"):
        load_model(directory)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    directory = save_encoder(tmp_path / "model")
    config = json.loads((directory / "config.json").read_text())
    reseal(directory / "config.json", backbone=config["backbone"] | {"name": "vit_xs"})
    with pytest.raises(DataError, match="do not belong to this architecture"):
        load_model(directory)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("label_schema", {"kind": "single", "classes": ["US", "MR", "CT"]}),
        ("label_schema", {"kind": "multi", "classes": CLASSES}),
        ("operating_points", [{"label": "CT", "threshold": 0.9}]),
        ("checksum", "0" * 64),
    ],
)
def test_a_config_that_was_changed_by_hand_is_refused(
    tmp_path: Path, key: str, value: object
) -> None:
    """It fits the weights, and every answer would be another."""
    classifier, config = a_classifier()
    save_model(tmp_path / "model", classifier, config)
    path = tmp_path / "model" / "config.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {key: value}))
    for use in (load_model, content_hash, read_config):
        with pytest.raises(DataError, match="was changed after it was written"):
            use(tmp_path / "model")
    document.pop("checksum")
    path.write_text(json.dumps(document))
    with pytest.raises(DataError, match="has no checksum"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    directory = save_encoder(tmp_path / "model")
    tensors = load_file(directory / "model.safetensors")
    tensors["blocks.0.attn.qkv.weight"][3, 5] = value
    save_file(tensors, directory / "model.safetensors")
    sha256 = hashlib.sha256((directory / "model.safetensors").read_bytes()).hexdigest()
    reseal(directory / "config.json", weights_sha256=sha256)
    said = r"1 tensors hold values that are not finite numbers, for instance blocks\.0\.attn\.qkv"
    with pytest.raises(DataError, match=said):
        load_model(directory)
    with pytest.raises(DataError, match=said):
        load_backbone_weights(build_backbone(SPEC, seed=1), directory / "model.safetensors")


def test_further_files_are_in_the_config(tmp_path: Path) -> None:
    config = ModelConfig(kind="encoder", backbone=SPEC, preprocessing=PREPROCESSING)
    written = save_model(
        tmp_path / "model", build_backbone(SPEC, seed=1), config, files={"text.json": b"{}"}
    )
    assert written == read_config(tmp_path / "model")
    assert written.files == {"text.json": hashlib.sha256(b"{}").hexdigest()}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not a model directory: it has no config.json"),
        ("{", "is not a valid model config"),
        ('{"kind": "encoder"}', "backbone: Field required"),
        ('{"kind": "encoder", "surprise": 1}', "is not a valid model config"),
    ],
)
def test_a_directory_without_a_right_config_is_refused(
    tmp_path: Path, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(DataError, match=message):
        load_model(tmp_path)


def test_missing_weights_and_the_wrong_kind_are_refused(tmp_path: Path) -> None:
    directory = save_encoder(tmp_path / "model")
    with pytest.raises(DataError, match="is an encoder; a classifier is required"):
        load_model(directory, kind="classifier")
    (directory / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"has no model\.safetensors"):
        load_model(directory)


@pytest.mark.parametrize(
    "change",
    [
        {"head": None},
        {"kind": "encoder"},
        {"label_schema": LabelSchema(kind="single", classes=["CT"])},
        {"preprocessing": Preprocessing(size=64)},
        {"preprocessing": Preprocessing(size=32, channels=3)},
    ],
)
def test_a_config_that_contradicts_itself_is_refused(change: dict[str, object]) -> None:
    _, config = a_classifier()
    with pytest.raises(ValueError, match="1 validation error"):
        ModelConfig.model_validate(dict(config) | change)


@pytest.mark.parametrize("kind", ["linear", "probe"])
def test_heads_start_as_the_papers_do(kind: str) -> None:
    """FACTS §13.1: weight ~ truncated normal of 0.01, bias 0, BatchNorm without weights."""
    torch.manual_seed(0)
    head = build_head(HeadSpec.model_validate({"kind": kind, "classes": 50}), dim=400)
    names = dict(head.named_parameters())
    weight = next(value for name, value in names.items() if name.endswith("weight"))
    assert len(names) == 2
    assert abs(float(weight.detach().std()) - 0.01) < 5e-4
    assert all(not value.any() for name, value in names.items() if name.endswith("bias"))


def test_normalisation_is_scale_mean_std_a_channel() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(1, 3, 1, 1)
    preprocessing = Preprocessing(size=1, channels=3, mean=[0.0, 0.2, 0.5], std=[1.0, 0.1, 0.25])
    found = normalise(images, preprocessing)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.flatten(), torch.tensor([0.0, 0.0, 2.0]))


def test_an_encoder_of_another_kind_is_saved_loaded_and_refused_where_images_are_needed(
    tmp_path: Path,
) -> None:
    taken = SignalInput(leads=["I", "II"], rate=100.0, seconds=2.0)
    spec = PatchSpec(kind="signal", name="vit_xxs", shape=[200], patch=[25], channels=2)
    backbone = build_backbone(spec, seed=1).eval()
    config = ModelConfig(kind="encoder", backbone=spec, preprocessing=taken)
    save_model(tmp_path / "model", backbone, config)
    loaded = load_model(tmp_path / "model")
    assert (loaded.config.backbone, loaded.config.preprocessing) == (spec, taken)
    values = torch.randn(2, 2, 200)
    torch.testing.assert_close(loaded.backbone(values), backbone(values))
    assert "2 × 200" in (tmp_path / "model" / "card.md").read_text()
    asks = (
        lambda: load_encoder(tmp_path / "model"),
        lambda: load_model(tmp_path / "model", takes="image"),
        lambda: read_config(tmp_path / "model", takes="image"),
    )
    for ask in asks:
        with pytest.raises(DataError, match="holds a model of signals; a model of images") as told:
            ask()
        assert "input.kind=image" in str(told.value.hint)
