"""`medfm predict`: the real executable on real files; every file answered, no torch imported."""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from executable import Executable
from PIL import Image
from pydicom.data import get_testdata_file
from sealing import reseal
from toy_bundle import toy_export, toy_model, traced_dataset
from toy_data import toy_run

from medfm_cli.commands.curate.engine import run as curate
from medfm_cli.commands.curate.options.quality import Quality
from medfm_cli.commands.curate.recipe import CurateRecipe
from medfm_cli.data import Dataset
from medfm_cli.data.cutting import cut_content
from medfm_cli.errors import DataError
from medfm_cli.inference.bundle import Bundle, open_bundle
from medfm_cli.inference.predictor import MIN_SIDE, Prediction, Predictor
from medfm_cli.models.config import OperatingPoint
from medfm_cli.models.directory import load_model
from medfm_cli.models.inputs import normalise
from medfm_cli.readers import ReadOptions, read_images
from medfm_cli.runs.hashes import file_sha256
from medfm_cli.training.features import class_probabilities

SHAPES = {
    "film.png": (512, 508),
    "large.png": (1100, 900),
    "long.png": (130, 700),
    "s.png": (9, 60),
}
POINTS = [OperatingPoint(label=name, threshold=0.999) for name in ("bars", "disc", "ring")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and its bundle; images of more than 128 pixels are cut into tiles."""
    folder = tmp_path_factory.mktemp("bundle")
    dataset = traced_dataset(folder / "data")
    toy_model(folder / "model", dataset, tile=64, tile_limit=4, points=POINTS)
    toy_export(folder / "run", folder / "model", dataset)
    return folder


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Path:
    return folder / "run" / "bundle"


def dicom(name: str) -> str:
    """A DICOM file that comes with pydicom."""
    path = get_testdata_file(name, download=False)
    assert path is not None, name
    return str(path)


def torch_probabilities(folder: Path, file: str) -> np.ndarray:
    """What training's own code says of a file: mean over tiles, then over frames."""
    loaded = load_model(folder / "model", takes="image")
    means = []
    for item in read_images(file):
        how = loaded.config.preprocessing
        parts = [part.content for part in cut_content(item.content, how)]
        inputs = torch.from_numpy(np.stack([how.fit(part) for part in parts]))
        with torch.inference_mode():
            logits = loaded.module(normalise(inputs, how))
        means.append(logits.softmax(1).double().mean(0).numpy())
    return np.mean(means, axis=0)


@pytest.mark.parametrize(
    ("name", "images"),
    [
        ("CT_small.dcm", 1),
        ("MR_small_RLE.dcm", 1),
        ("JPEG2000.dcm", 1),
        ("SC_rgb_jpeg_gdcm.dcm", 1),
        ("examples_ybr_color.dcm", 4),
    ],
)
def test_a_bundle_answers_a_dicom_as_torch_does(
    folder: Path, bundle: Path, name: str, images: int
) -> None:
    found = next(iter(Predictor(open_bundle(bundle)).predict([dicom(name)])))
    assert found.error is None
    assert found.images == images
    expected = torch_probabilities(folder, dicom(name))
    np.testing.assert_allclose(list(found.probabilities.values()), expected, atol=1e-5)
    assert found.label == list(found.probabilities)[int(expected.argmax())]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for name, (height, width) in SHAPES.items():
        coarse = Image.fromarray(generator.integers(0, 256, (9, 9), np.uint8))
        coarse.resize((width, height), Image.Resampling.BICUBIC).save(folder / name)
    stack = generator.integers(0, 256, (6, 70, 60), np.uint8)
    np.save(folder / "frames.npy", stack)
    return folder


@pytest.mark.parametrize(
    "keys",
    [
        {"tile": {"size": 256, "limit": 4, "cover": True, "max_side": 100}},
        {"tile": {"size": 64, "limit": 5, "cover": False, "max_side": 400}, "frames": 3},
        {"tile": {"size": None, "max_side": 300}},
    ],
)
def test_predict_answers_what_eval_scores(
    folder: Path,
    bundle: Path,
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keys: dict[str, object],
) -> None:
    monkeypatch.setenv("MEDFM_KEY_FILE", str(tmp_path / "key"))
    fixed = {"workers": 1, "quality": {"on": False}, "deidentify": {"source_paths": "keep"}}
    recipe = CurateRecipe.model_validate({"source": str(files), **fixed, **keys})
    curate(recipe, toy_run(tmp_path / "run", verb="curate"))
    dataset = Dataset.open(tmp_path / "run")
    loaded = load_model(folder / "model", takes="image")
    rows = dataset.rows()
    stored = class_probabilities(
        loaded.module,
        dataset,
        rows,
        preprocessing=loaded.config.preprocessing,
        run=toy_run(tmp_path / "eval"),
    )
    by_image: dict[tuple[str, str], list[np.ndarray]] = defaultdict(list)
    for row, values in zip(rows, stored, strict=True):
        by_image[dataset.column("source")[row], dataset.column("image_id")[row]].append(values)
    scored: dict[str, list[np.ndarray]] = defaultdict(list)
    for (source, _), values in by_image.items():
        scored[source.rpartition("/")[2].partition("#")[0]].append(np.mean(values, axis=0))

    opened = open_bundle(bundle)
    how = opened.card.preprocessing.model_copy(update=dict(dataset.card.cutting))
    predictor = Predictor(
        Bundle(opened.root, opened.card.model_copy(update={"preprocessing": how}))
    )
    names = [*SHAPES, "frames.npy"]
    assert set(scored) == set(names)
    for name, found in zip(names, predictor.predict(files / n for n in names), strict=True):
        expected = np.mean(scored[name], axis=0)
        np.testing.assert_allclose(list(found.probabilities.values()), expected, atol=1e-5)
        assert found.images == len(scored[name])


def test_the_same_image_in_other_encodings_gets_the_same_answer(bundle: Path) -> None:
    names = ["MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm"]
    found = list(Predictor(open_bundle(bundle)).predict([dicom(name) for name in names]))
    assert len({tuple(item.probabilities.values()) for item in found}) == 1


def test_the_batch_changes_no_answer(bundle: Path) -> None:
    files = [dicom(name) for name in ("CT_small.dcm", "JPEG2000.dcm", "nothing.dcm")[:2]] * 3
    one = list(Predictor(open_bundle(bundle), batch=1).predict(files))
    many = list(Predictor(open_bundle(bundle), batch=64).predict(files))
    for left, right in zip(one, many, strict=True):
        assert left.label == right.label
        assert left.probability == pytest.approx(right.probability, abs=1e-5)


def test_one_json_document_for_every_format_and_no_torch(
    medfm: Executable, bundle: Path, tmp_path: Path
) -> None:
    import nibabel

    pixels = np.random.default_rng(0).integers(0, 256, (150, 200), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([pixels] * 3, -1)).save(tmp_path / "colour.jpg")
    np.save(tmp_path / "array.npy", pixels)
    volume = np.random.default_rng(1).integers(0, 900, (40, 40, 12)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "volume.nii.gz")
    files = [tmp_path / name for name in ("grey.png", "colour.jpg", "array.npy", "volume.nii.gz")]
    watch = medfm.having(PYTHONPROFILEIMPORTTIME="1")
    done = watch("predict", bundle, *files, dicom("CT_small.dcm"), "--json")
    assert done.code == 0, done.stderr[-2000:]
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "onnxruntime" in imported
    for heavy in ("torch", "timm", "accelerate", "sklearn", "matplotlib"):
        assert heavy not in imported
    answers = done.json["files"]
    assert [answer["error"] for answer in answers] == [None] * 5
    assert [answer["images"] for answer in answers] == [1, 1, 1, 6, 1]  # half of 12 slices
    assert answers[0]["inputs"] == 4  # tiles
    assert answers[0]["probabilities"] == pytest.approx(answers[2]["probabilities"], abs=1e-5)
    for answer in answers:
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_what_cannot_be_read_is_told_beside_the_answers(
    medfm: Executable, bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.dcm").write_text("no image at all")
    os.mkfifo(tmp_path / "pipe")
    files = [
        dicom("CT_small.dcm"),
        tmp_path / "empty.png",
        tmp_path / "text.dcm",
        tmp_path / "absent.png",
        tmp_path / "pipe",
        dicom("rtplan.dcm"),
        dicom("MR_truncated.dcm"),
        dicom("MR_small.dcm"),
    ]
    done = medfm("predict", bundle, *files, "--json")
    assert done.code == done.json["exit_code"] == 3
    errors = [answer["error"] for answer in done.json["files"]]
    assert [error is None for error in errors] == [True] + [False] * 6 + [True]
    assert errors[3] == "no such file or directory"
    assert errors[4] == "not a regular file"
    assert "shorter than its header says" in errors[6]
    assert "6 of 8 files could not be read" in done.stderr
    assert "2 files predicted" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_stands_for_the_images_under_it(
    medfm: Executable, bundle: Path, tmp_path: Path
) -> None:
    """Other files are named with a count; a damaged image is a failure as if it were named."""
    folder, inner = tmp_path / "in", tmp_path / "in" / "deep er" / "x"
    inner.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50), np.uint8)
    Image.fromarray(pixels).save(inner / "b.png")
    Image.fromarray(pixels).save(folder / "a.jpg")
    shutil.copy(dicom("CT_small.dcm"), folder / "no-ending")
    (folder / ".hidden.png").write_bytes(b"x")
    for name in ("labels.csv", "notes.txt", "empty.png"):
        (folder / name).write_text("file,label\na.jpg,1\n" if "empty" not in name else "")
    shutil.copy(dicom("rtplan.dcm"), inner / "plan.dcm")
    os.mkfifo(folder / "pipe")
    (folder / "circle").symlink_to(folder)
    run = folder / "runs" / "curate-x"
    run.mkdir(parents=True)
    for name in ("recipe.yaml", "environment.json", "figure.png"):
        (run / name).write_bytes((inner / "b.png").read_bytes())
    done = medfm("predict", bundle, folder, "--json")
    assert (done.code, done.json["status"]) == (0, "done"), done.stderr
    names = [Path(answer["file"]).name for answer in done.json["files"]]
    assert names == ["a.jpg", "no-ending", "b.png"]
    assert all(answer["error"] is None for answer in done.json["files"])
    skipped = {Path(each["file"]).name: each["reason"] for each in done.json["skipped"]}
    assert set(skipped) == {
        "circle", "curate-x", "labels.csv", "notes.txt", "empty.png", "plan.dcm", "pipe",
    }  # fmt: skip
    assert skipped["curate-x"] == "a run directory of medfm"
    assert "warning: 7 files left out, not an image: " in done.stderr
    assert "and 2 more" in done.stderr
    (inner / "cut.png").write_bytes((inner / "b.png").read_bytes()[:300])
    done = medfm("predict", bundle, folder, "-q")
    assert done.code == 3
    assert "1 of 4 files could not be read\n  → 3 files predicted" in done.stderr


def test_a_folder_without_an_image_is_refused(
    medfm: Executable, bundle: Path, tmp_path: Path
) -> None:
    done = medfm("predict", bundle, tmp_path, "--json")
    assert done.code == 3
    assert "there is no file in the folder" in done.json["error"]["message"]
    (tmp_path / "notes.txt").write_text("nothing")
    done = medfm("predict", bundle, tmp_path, "--json")
    assert done.code == 3
    assert "none of the 1 files is an image" in done.json["error"]["message"]
    assert "notes.txt" in done.json["error"]["message"]


def test_nothing_is_said_of_others_where_there_are_none(medfm: Executable, bundle: Path) -> None:
    done = medfm("predict", bundle, "/absent.png")
    assert done.code == 3
    assert "1 of 1 file could not be read" in done.stderr
    assert "no file is predicted" in done.stderr
    assert "other" not in done.stderr


def test_images_without_content_have_a_note(bundle: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((64, 64), 7, np.uint8)).save(tmp_path / "constant.png")
    Image.fromarray(np.arange(200, dtype=np.uint8).reshape(20, 10)).save(tmp_path / "tiny.png")
    Image.fromarray(np.zeros((1, 1), np.uint8)).save(tmp_path / "pixel.png")
    frames = np.random.default_rng(0).integers(0, 256, (4, 40, 40), np.uint8)
    frames[2:] = 9
    np.save(tmp_path / "frames.npy", frames)
    names = ("constant.png", "tiny.png", "pixel.png", "frames.npy")
    found = list(Predictor(open_bundle(bundle)).predict(tmp_path / name for name in names))
    notes = [prediction.note.removesuffix(f"; {low(prediction)}") for prediction in found]
    assert notes == [
        "blank: all pixels are alike",
        "tiny: a side of 10 pixels",
        "tiny: a side of 1 pixels; blank: all pixels are alike",
        "blank: all pixels are alike (2 of 4 images)",
    ]
    assert Quality().min_side == MIN_SIDE


def low(prediction: Prediction) -> str:
    """The note that the operating points of this bundle give nearly every answer."""
    return f"low confidence: below the operating point 1.00 of {prediction.label}"


def test_volumes_are_cut_into_the_planes_of_the_training(
    folder: Path, bundle: Path, tmp_path: Path
) -> None:
    """What curate stores of a scan with derive.planes is what the bundle sees of the file."""
    import nibabel

    volume = np.random.default_rng(1).integers(0, 900, (40, 44, 48)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "volume.nii.gz")
    whole = open_bundle(bundle)
    planes = {"whole": True, "planes": ["coronal"], "slices": 3, "tile": None}
    how = whole.card.preprocessing.model_copy(update=planes)
    card = whole.card.model_copy(update={"preprocessing": how})
    (found,) = Predictor(Bundle(whole.root, card)).predict([tmp_path / "volume.nii.gz"])
    assert (found.images, found.inputs) == (1, 3)
    (scan,) = read_images(tmp_path / "volume.nii.gz", ReadOptions(whole=True))
    parts = cut_content(scan.content, how)
    assert [part.place["plane"] for part in parts] == ["coronal"] * 3
    inputs = torch.from_numpy(np.stack([how.fit(part.content) for part in parts]))
    with torch.inference_mode():
        logits = load_model(folder / "model").module(normalise(inputs, how))
    expected = logits.softmax(1).double().mean(0).numpy()
    np.testing.assert_allclose(list(found.probabilities.values()), expected, atol=1e-5)


def test_a_person_gets_an_aligned_table_without_escapes(medfm: Executable, bundle: Path) -> None:
    done = medfm("predict", bundle, dicom("CT_small.dcm"), "/absent\x1b[31m.png")
    assert done.code == 3
    head, answer, failure = done.stdout.splitlines()
    assert head.split() == ["file", "label", "probability", "bars", "disc", "ring", "note"]
    assert "low confidence: below the operating point 1.00" in answer
    assert failure.rstrip().endswith("not read: no such file or directory")
    assert "\x1b" not in done.stdout + done.stderr
    assert answer.index("0.") == head.index("probability")


def test_the_run_of_an_export_and_of_a_pipeline_stand_for_their_bundle(
    medfm: Executable, bundle: Path, tmp_path: Path
) -> None:
    pipeline = tmp_path / "run-all"
    stage = pipeline / "export-12345678"
    shutil.copytree(bundle, stage / "bundle")
    (pipeline / "export").symlink_to(stage.name)
    for reference in (stage, pipeline):
        assert medfm("predict", reference, dicom("CT_small.dcm")).code == 0
    shutil.copytree(stage, pipeline / "second")
    done = medfm("predict", pipeline, dicom("CT_small.dcm"))
    assert done.code == 3
    assert "is not a bundle" in done.stderr


def test_an_operating_point_that_is_reached_leaves_no_doubt(tmp_path: Path) -> None:
    dataset = traced_dataset(tmp_path / "data")
    points = [OperatingPoint(label=name, threshold=0.01) for name in dataset.classes]
    toy_model(tmp_path / "model", dataset, points=points)
    bundle, _ = toy_export(tmp_path / "run", tmp_path / "model", dataset)
    found = next(iter(Predictor(open_bundle(bundle)).predict([dicom("CT_small.dcm")])))
    assert found.note == ""
    assert found.label in found.called


@pytest.mark.parametrize("name", ["model.onnx", "card.md", "lineage.json", "sources.txt"])
def test_a_bundle_that_was_changed_is_refused(
    medfm: Executable, bundle: Path, tmp_path: Path, name: str
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    data = bytearray((copy / name).read_bytes() or b" ")
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    done = medfm("predict", copy, dicom("CT_small.dcm"), "--json")
    assert done.code == 3
    assert "has changed since the export" in done.json["error"]["message"]
    (copy / name).unlink()
    assert f"lacks {name}" in medfm("predict", copy, dicom("CT_small.dcm")).stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "is damaged"), ("{}", "is damaged: kind: Field required"), (None, "is not a bundle")],
)
def test_a_bundle_without_a_right_card_is_refused(
    medfm: Executable, bundle: Path, tmp_path: Path, content: str | None, message: str
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    (copy / "bundle.json").unlink()
    if content is not None:
        (copy / "bundle.json").write_text(content)
    done = medfm("predict", copy, dicom("CT_small.dcm"))
    assert done.code == 3
    assert message in done.stderr


def test_a_bundle_cannot_name_files_outside_itself(
    medfm: Executable, bundle: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    card = json.loads((copy / "bundle.json").read_text())
    reseal(copy / "bundle.json", files=card["files"] | {"../secret": "0" * 64})
    done = medfm("predict", copy, dicom("CT_small.dcm"))
    assert done.code == 3
    assert "lists a file outside the bundle" in done.stderr


@pytest.mark.parametrize("change", ["classes", "threshold", "no points", "no checksum"])
def test_a_card_that_was_changed_by_hand_is_refused(
    bundle: Path, tmp_path: Path, change: str
) -> None:
    """It fits every file of the bundle, and the answers would be others."""
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    card = json.loads((copy / "bundle.json").read_text())
    match change:
        case "classes":
            card["label_schema"]["classes"].reverse()
        case "threshold":
            card["operating_points"][0]["threshold"] = 0.1
        case "no points":
            card["operating_points"] = []
        case "no checksum":
            del card["checksum"]
    (copy / "bundle.json").write_text(json.dumps(card))
    said = "has no checksum" if change == "no checksum" else "was changed after it was written"
    with pytest.raises(DataError, match=said):
        open_bundle(copy)


def test_the_same_card_in_another_layout_is_the_same(bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    card = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps(dict(sorted(card.items())), indent=1))
    assert open_bundle(copy).card == open_bundle(bundle).card


def test_weights_in_a_file_that_the_bundle_does_not_list_are_refused(
    bundle: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    model = onnx.load(copy / "model.onnx")
    onnx.save(
        model, copy / "model.onnx", save_as_external_data=True, location="w.bin", size_threshold=0
    )
    files = json.loads((copy / "bundle.json").read_text())["files"]
    reseal(copy / "bundle.json", files=files | {"model.onnx": file_sha256(copy / "model.onnx")})
    opened = open_bundle(copy)
    with pytest.raises(DataError, match="cannot be loaded by ONNX Runtime"):
        Predictor(opened)


def test_a_pipe_in_a_bundle_is_refused_and_not_waited_for(bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    (copy / "card.md").unlink()
    os.mkfifo(copy / "card.md")
    with pytest.raises(DataError, match=r"lacks card\.md: not a regular file"):
        open_bundle(copy)


def test_weights_that_are_no_numbers_give_one_sentence_and_no_answer(
    medfm: Executable, bundle: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    model = onnx.load(copy / "model.onnx")
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor).copy()
        if values.dtype == np.float32 and values.ndim == 2:
            values[:] = np.nan
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(model, copy / "model.onnx")
    files = json.loads((copy / "bundle.json").read_text())["files"]
    reseal(copy / "bundle.json", files=files | {"model.onnx": file_sha256(copy / "model.onnx")})
    done = medfm("predict", copy, dicom("CT_small.dcm"), "--json")
    assert (done.code, done.json["status"]) == (3, "failed")
    assert "are not numbers: its weights are damaged" in done.json["error"]["message"]


def test_an_encoder_answers_nothing(medfm: Executable, tmp_path: Path) -> None:
    dataset = traced_dataset(tmp_path / "data")
    toy_model(tmp_path / "model", dataset, kind="encoder")
    bundle, _ = toy_export(tmp_path / "run", tmp_path / "model", dataset)
    done = medfm("predict", bundle, dicom("CT_small.dcm"))
    assert done.code == 3
    assert "contains an encoder" in done.stderr


def test_a_collection_is_not_averaged_into_one_answer(
    medfm: Executable, bundle: Path, tmp_path: Path
) -> None:
    images = np.zeros((3, 28, 28), np.uint8)
    labels = np.zeros((3, 1), np.uint8)
    arrays = {
        f"{part}_{kind}": values
        for part in ("train", "val", "test")
        for kind, values in (("images", images), ("labels", labels))
    }
    np.savez(tmp_path / "many.npz", **arrays)
    done = medfm("predict", bundle, tmp_path / "many.npz")
    assert done.code == 3
    assert "a collection of many images" in done.stdout


def test_usage_is_told_without_a_traceback(medfm: Executable, bundle: Path) -> None:
    assert medfm("predict").code == 2
    assert medfm("predict", bundle).code == 2
    assert medfm("predict", bundle, "x.png", "--batch", "0").code == 2


@pytest.mark.realdata
def test_real_files_of_many_kinds_are_all_answered_or_told(
    medfm: Executable, bundle: Path, shared_data: Path
) -> None:
    folder = shared_data / "dicom_mixed"
    found = (path for path in folder.rglob("*") if path.is_file())
    files = sorted(path for path in found if path.suffix.lower() in ("", ".dcm"))
    done = medfm("predict", bundle, *files, "--json", timeout=300)
    assert done.code in (0, 3), done.stderr[-2000:]
    answers = done.json["files"]
    assert len(answers) == len(files)
    assert sum(answer["error"] is None for answer in answers) > len(files) // 3
    assert all((answer["error"] is None) != (answer["label"] is None) for answer in answers)
