"""The recipes of signals, stays, sounds and films, run on a part of the real sets."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from curate_types import Curate
from executable import Executable

from medfm_cli.data.dataset import Dataset

pytestmark = pytest.mark.realdata


def part(source: Path, target: Path, patterns: dict[str, int]) -> Path:
    """The first files of each kind, in their folders."""
    for pattern, count in patterns.items():
        for path in sorted(p for p in source.rglob(pattern) if p.is_file())[:count]:
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    return target


def run(medfm: Executable, recipe: str, source: Path, *more: str) -> tuple[dict[str, int], Dataset]:
    """The counts and the dataset."""
    words = (f"source={source}", "workers=1", *more, "--json", "--out", str(source.parent))
    done = medfm("curate", recipe, *words)
    assert done.code == 0, done.stderr
    folder = source.parent / Path(done.json["run_dir"]).name / "dataset"
    return done.json["metrics"], Dataset.open(folder)


def rows_of(dataset: Dataset, kind: str) -> list[dict[str, Any]]:
    """The rows of one kind."""
    return [row for row in dataset.samples.to_pylist() if row["kind"] == kind]


def test_wfdb_ecg(medfm: Executable, shared_data: Path, tmp_path: Path) -> None:
    patterns = {"*.hea": 40, "*.dat": 40, "ptbxl_database.csv": 1}
    source = part(shared_data / "ecg_ptbxl", tmp_path / "x", patterns)
    counts, dataset = run(medfm, "wfdb-ecg", source)
    assert (counts["kept"], counts["companions"], counts["labelled"]) == (40, 40, 40)
    rows = rows_of(dataset, "signal")
    assert {row["label"] for row in rows} == {"normal", "abnormal"}
    assert {row["modality"] for row in rows} == {"ECG"}
    with (source / "ptbxl_database.csv").open() as file:
        told = {float(line["ecg_id"]): line["sex"] for line in csv.DictReader(file)}
    men = sum(told[float(path.stem.partition("_")[0])] == "0" for path in source.rglob("*.hea"))
    assert Counter(row["sex"] for row in rows) == {"M": men, "F": 40 - men}
    assert json.loads(rows[0]["meta"])["rate"] == 100.0
    assert dataset.content(0).array.shape == (12, 1000)


def test_physionet2012_icu(medfm: Executable, shared_data: Path, tmp_path: Path) -> None:
    patterns = {"*.txt": 40, "Outcomes-a.csv": 1}
    source = part(shared_data / "icu_physionet2012_a", tmp_path / "x", patterns)
    counts, dataset = run(medfm, "physionet2012-icu", source)
    assert (counts["kept"], counts["labelled"], counts["patients"]) == (40, 40, 40)
    rows = rows_of(dataset, "series")
    assert {row["label"] for row in rows} == {"survived", "died"}
    assert len({row["site"] for row in rows}) == 4
    assert {row["shape"][0] for row in rows} == {37}
    assert all(row["age"] for row in rows)


def test_audio(medfm: Executable, shared_data: Path, tmp_path: Path) -> None:
    source = part(shared_data / "audio_heart_pascal", tmp_path / "x", {"*.wav": 30, "*.csv": 1})
    counts, dataset = run(medfm, "audio", source)
    assert counts["kept"] == counts["labelled"] == 29
    assert counts["quarantined"] == 1, "one lasts less than a second"
    assert {row["modality"] for row in rows_of(dataset, "audio")} == {"Audio"}


def test_video(medfm: Executable, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "lung_ultrasound_pocus"
    patterns = {"*.mp4": 4, "*.avi": 2, "*.mpeg": 2, "*.gif": 1, "*.jpg": 3, "labels.csv": 1}
    source = part(folder, tmp_path / "x", patterns)
    counts, dataset = run(medfm, "video", source)
    assert (counts["kept"], counts["quarantined"]) == (12, 0)
    films = rows_of(dataset, "video")
    assert [row["shape"][0] for row in films] == [16] * 9
    assert {json.loads(row["facts"])["format"] for row in films} == {"mp4", "avi", "mpeg", "gif"}
    counts, dataset = run(medfm, "video", source, "whole=false", "frames=2")
    assert len(rows_of(dataset, "image")) == counts["kept"] > 12


def test_a_table_beside_stays_is_one_refusal_and_not_one_a_row(
    curate: Curate, shared_data: Path, tmp_path: Path
) -> None:
    """With nothing said, a table that is no label table is left out as one file."""
    patterns = {"*.txt": 5, "Outcomes-a.csv": 1}
    source = part(shared_data / "icu_physionet2012_a", tmp_path / "x", patterns)
    counts = curate(source).counts
    assert (counts["kept"], counts["quarantined"]) == (5, 1)
