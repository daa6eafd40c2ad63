"""Curations of real boxes, questions, reports and masks, against what their files say."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from curate_types import Curate

from medfm_cli.data import Dataset
from medfm_cli.readers.nifti.reader import read_mask

pytestmark = pytest.mark.realdata
SOME = 12
"""Files that are taken of a folder: the looking for text in pictures takes its time."""


def some(folder: Path, to: Path, pattern: str) -> list[str]:
    """Copy the first files of a folder; their names."""
    to.mkdir(parents=True)
    names = sorted(path.name for path in folder.glob(pattern))[:SOME]
    for name in names:
        shutil.copy(folder / name, to / name)
    return names


def test_blood_cells_are_as_many_as_were_counted(
    shared_data: Path, tmp_path: Path, curate: Curate
) -> None:
    source = shared_data / "blood_bccd"
    names = some(source / "JPEGImages", tmp_path / "s" / "JPEGImages", "*.jpg")
    some(source / "Annotations", tmp_path / "s" / "Annotations", "*.xml")
    shutil.copy(source / "boxes.csv", tmp_path / "s")
    done = curate(tmp_path / "s", labels={"kind": "boxes"}, deidentify={"source_paths": "keep"})
    assert (done.counts["kept"], done.counts["companions"]) == (SOME, SOME + 1)
    with (source / "counts.csv").open() as file:
        counted = {row["file"]: row for row in csv.DictReader(file)}
    for row in done.rows:
        found = Counter(box[0] for box in json.loads(row["boxes"]))
        said = counted[row["source"]]
        assert (found["RBC"], found["WBC"]) == (int(said["n_rbc"]), int(said["n_wbc"]))
        assert row["labels"] == sorted(found)
    absent = {row["source"] for row in done.quarantine if row["step"] == "table"}
    assert not absent & set(names)
    assert len(absent) == 364 - SOME  # what boxes.csv says of pictures that were not copied


def test_questions_of_a_picture_stay_together(
    shared_data: Path, tmp_path: Path, curate: Curate
) -> None:
    source = shared_data / "vqa_rad"
    names = some(source / "images", tmp_path / "s" / "images", "*.jpg")
    shutil.copy(source / "questions.json", tmp_path / "s")
    done = curate(tmp_path / "s", deidentify={"source_paths": "keep", "text": "off"})
    expected: defaultdict[str, list[str]] = defaultdict(list)
    organs: defaultdict[str, set[str]] = defaultdict(set)
    for row in json.loads((source / "questions.json").read_text()):
        expected[row["image_name"]].append(row["question"].strip())
        organs[row["image_name"]].add(row["image_organ"].lower())
    assert done.counts["kept"] == SOME
    for row in done.rows:
        name = row["source"].rpartition("/")[2]
        assert name in names
        assert [turn[0] for turn in json.loads(row["turns"])] == expected[name]
        assert {row["anatomy"]} == organs[name]
    missing = [row for row in done.quarantine if row["step"] == "table"]
    assert len(missing) == len(expected) - SOME


def test_reports_are_all_accounted_for(shared_data: Path, tmp_path: Path, curate: Curate) -> None:
    path = shared_data / "reports_iu_xray" / "indiana_reports.csv"
    done = curate(path, deduplicate={"exact": "tie", "near": "off"}, labels={"column": "Problems"})
    with path.open(newline="") as file:
        table = list(csv.DictReader(file))
    full = [row for row in table if row["findings"].strip() or row["impression"].strip()]
    assert (done.counts["read"], done.counts["kept"]) == (len(table), len(full))
    assert Counter(row["label"] for row in done.rows)["normal"] == sum(
        row["Problems"].strip() == "normal" for row in full
    )


def test_volumes_keep_the_values_of_their_masks(
    shared_data: Path, tmp_path: Path, curate: Curate
) -> None:
    source = shared_data / "mri3d_hippocampus"
    for folder in ("images", "labels"):
        some(source / folder, tmp_path / "s" / folder, "*.nii.gz")
    keys = {"kind": "masks", "classes": {1: "anterior", 2: "posterior"}}
    done = curate(tmp_path / "s", whole=True, labels=keys, deidentify={"source_paths": "keep"})
    assert (done.counts["kept"], done.counts["companions"]) == (SOME, SOME)
    dataset = Dataset.open(done.run.path("dataset"))
    for row in dataset.rows(kind=None):
        told = done.rows[int(row)]
        assert told["labels"] == ["anterior", "posterior"]
        name = told["source"].rpartition("/")[2]
        mask = read_mask(source / "labels" / name, source / "images" / name)
        assert list(mask.shape) == told["shape"]
        assert set(json.loads(told["members"])) >= {"npy", "mask.npy"}
