"""Tables as hospitals write them, through the whole of curate: values, classes, patients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest
from curate_files import picture
from executable import Ended, Executable

COUNT = 12


class Curated(NamedTuple):
    """A finished curation: what it printed, its samples by column, and its folder."""

    done: Ended
    columns: dict[str, list[Any]]
    run: Path


Curate = Callable[..., Curated]


@pytest.fixture
def curate(medfm: Executable, tmp_path: Path) -> Curate:
    """Curate images with a table: header, a function that gives each row, and recipe words."""

    def run(
        header: str,
        row: Callable[[int], str],
        *words: str,
        name: str = "{:02}.png",
        first: str = "",
    ) -> Curated:
        for number in range(COUNT):
            picture(tmp_path / "in" / name.format(number, number // 2), number)
        lines = [header, *(row(number) for number in range(COUNT))]
        (tmp_path / "in" / "labels.csv").write_text(first + "\n".join(lines) + "\n")
        (tmp_path / "r.yaml").write_text("source: in\n")
        done = medfm("curate", "r.yaml", *words, "--json", cwd=tmp_path)
        assert done.code == 0, done.stderr
        folder = tmp_path / done.json["run_dir"]
        samples = pq.ParquetFile(folder / "dataset" / "samples.parquet").read().to_pydict()
        return Curated(done, samples, folder)

    return run


def test_spellings_of_numbers_classes_and_patients(curate: Curate) -> None:
    """`1` and `1.0` are one class, `007`, `7` and `7.0` one patient, `none` is a class."""
    labels = ("0", "0.0", "1", "1.0", "none", "NA")
    patients = ("00{}", "{}", "{}.0")
    found = curate(
        "file,label,patient_id,age",
        lambda n: f"{n:02}.png,{labels[n % 6]},{patients[n % 3].format(n // 3)},0{50 + n}Y",
    )
    assert sorted({str(label) for label in found.columns["label"]}) == ["0", "1", "None", "none"]
    assert len(set(found.columns["subject_id"])) == 4
    assert found.columns["age"].count(None) == 0
    for part in ("'1.0' as '1'", "'none' in 'label' is a class (2 rows)", "2 labels 'na'"):
        assert part in found.done.stderr


def test_several_labels_in_a_cell_and_a_separator_line(curate: Curate) -> None:
    found = curate(
        "file;findings;patient_id",
        lambda n: f"{n:02}.png;{('A|B', 'A', 'B|C')[n % 3]};ANON{n // 2:04}",
        first="sep=;\n",
    )
    assert sorted(found.columns["labels"]) == sorted([["A", "B"], ["A"], ["B", "C"]] * 4)
    assert len(set(found.columns["subject_id"])) == COUNT // 2


def test_findings_in_columns_and_patients_in_folders(curate: Curate) -> None:
    """As CheXpert writes them: 1, 0, −1 and nothing, in `patient001/study1/`."""
    cells = ("1.0", "0.0", "-1.0", "")
    found = curate(
        "path,edema,fracture,mass",
        lambda n: (
            f"train/patient{n // 2:03}/study{n}/x.png,{cells[n % 4]},{cells[(n + 1) % 4]},1.0"
        ),
        "labels=labels.csv",
        name="train/patient{1:03}/study{0}/x.png",
    )
    of_four = [["edema", "mass"], ["mass"], ["mass"], ["fracture", "mass"]]
    assert sorted(found.columns["labels"]) == sorted(of_four * 3)
    assert len(set(found.columns["subject_id"])) == COUNT // 2
    assert "labels of -1 (uncertain) were read as negative" in found.done.stderr


def test_the_patient_stands_in_the_file_name(curate: Curate) -> None:
    """Not used unasked, but proposed; used when the recipe has the pattern."""
    row = "{:05}_{:03}.png,{}".format
    words = ("file,label", lambda n: row(n // 2, n, "ab"[n % 2]))
    name = "{1:05}_{0:03}.png"
    proposed = curate(*words, name=name)
    assert r"subject={pattern: '^(\d+)[_-]'} would give 6 subjects" in proposed.done.stderr
    found = curate(*words, r"subject={pattern: '^(\d+)_'}", name=name)
    assert len(set(found.columns["subject_id"])) == COUNT // 2


def test_days_before_months(curate: Curate) -> None:
    found = curate(
        "file,label,patient_id,study_date",
        lambda n: f"{n:02}.png,{'ab'[n % 2]},p{n},{28 - n:02}/0{1 + n % 6}/20{10 + n}",
        "split.by=time",
        "deidentify.dates=keep",
    )
    pairs = list(zip(found.columns["time"], found.columns["split"], strict=True))
    years = {side: {time[:4] for time, of in pairs if of == side} for _, side in pairs}
    assert max(years["train"]) < min(years["val"]) <= max(years["val"]) < min(years["test"])


def test_copies_that_are_kept_may_lie_in_several_splits(medfm: Executable, tmp_path: Path) -> None:
    for number in range(24):
        picture(tmp_path / "in" / f"{number:02}.png", number // 2)
    rows = "".join(f"{n:02}.png,{'ab'[n % 2]},p{n}\n" for n in range(24))
    (tmp_path / "in" / "labels.csv").write_text("file,label,patient_id\n" + rows)
    (tmp_path / "r.yaml").write_text("source: in\ndeduplicate: {exact: off, near: off}\n")
    done = medfm("curate", "r.yaml", "--json", cwd=tmp_path)
    assert done.code == 0, done.stderr
    samples = pq.ParquetFile(tmp_path / done.json["run_dir"] / "dataset" / "samples.parquet").read()
    ids = samples.column("sample_id").to_pylist()
    assert len(ids) == len(set(ids)) == 24
