"""Without the extra `train`: what needs no training works, and the rest says what to install."""

from __future__ import annotations

from pathlib import Path

import pytest
from executable import INSIDE, Executable
from toy_bundle import toy_export, toy_model, traced_dataset

HEAVY = (
    "soundfile",
    "torch",
    "torchvision",
    "timm",
    "accelerate",
    "safetensors",
    "sklearn",
    "onnx",
    "onnxscript",
)


@pytest.fixture(scope="module")
def base(medfm: Executable, tmp_path_factory: pytest.TempPathFactory) -> Executable:
    """The executable where the packages of the extra cannot be imported."""
    folder = tmp_path_factory.mktemp("blocked")
    for name in HEAVY:
        refusal = f'raise ModuleNotFoundError("No module named {name!r}", name={name!r})\n'
        (folder / f"{name}.py").write_text(refusal)
    return medfm.having(PYTHONPATH=f"{folder}:{INSIDE}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, a model and a bundle, made where torch is."""
    folder = tmp_path_factory.mktemp("made")
    dataset = traced_dataset(folder / "data")
    toy_model(folder / "model", dataset)
    toy_export(folder / "run", folder / "model", dataset)
    return folder


def test_predict_and_doctor_work(base: Executable, folder: Path, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (40, 40), 90).save(tmp_path / "grey.png")
    done = base("predict", folder / "run", tmp_path / "grey.png", "--json")
    assert done.code == 0, done.stderr
    assert done.json["files"][0]["label"] in done.json["classes"]
    assert base("doctor").code == 0


def test_a_dataset_can_be_curated(base: Executable, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    source = tmp_path / "source"
    source.mkdir()
    generator = np.random.default_rng(0)
    for number in range(6):
        pixels = generator.integers(0, 256, (60, 60), np.uint8)
        Image.fromarray(pixels).save(source / f"{number}.png")
    done = base("curate", "folders", f"source={source}", "labels=none", "--out", tmp_path / "runs")
    assert done.code == 0, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("pretrain", "mae-tiny", "data={data}"),
        ("finetune", "probe", "data={data}", "model={model}"),
        ("export", "onnx", "data={data}", "model={model}"),
    ],
)
def test_training_says_what_to_install(
    base: Executable, folder: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    filled = [a.format(data=folder / "data", model=folder / "model") for a in arguments]
    done = base(*filled, "--out", tmp_path, "--json")
    assert done.code == 4, done.stderr
    assert done.json["error"]["kind"] == "environment"
    assert done.json["error"]["hint"] == "pip install 'medfm[train]'"
    assert "Traceback" not in done.stderr


def test_files_that_need_an_extra_are_no_fault_of_the_data(
    base: Executable, tmp_path: Path
) -> None:
    import wave

    from PIL import Image

    source = tmp_path / "source"
    source.mkdir()
    with wave.open(str(source / "heart.wav"), "wb") as sound:
        sound.setparams((1, 2, 4000, 0, "NONE", ""))
        sound.writeframes(bytes(range(256)) * 64)
    done = base("curate", "folders", "source=source", "--json", cwd=tmp_path)
    assert done.code == 4
    assert "this format needs: pip install 'medfm[signals]'" in done.json["error"]["message"]
    assert done.json["error"]["hint"] == "pip install 'medfm[signals]'"
    Image.effect_noise((40, 40), 60).save(source / "picture.png")
    done = base("curate", "folders", "source=source", "--out", "both", cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert "warning: 1 files were not read: this format needs: pip install" in done.stderr
