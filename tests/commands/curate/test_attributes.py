"""Attributes of samples, from the files and tables that state them to the manifest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from curate_files import dicom, noise, picture, table
from curate_types import Curate

REPOSITORY = Path(__file__).parents[3]


def attributes(row: dict[str, Any]) -> tuple[Any, ...]:
    names = ("laterality", "scanner", "report_language", "target", "target_event")
    return tuple(row[name] for name in names)


def test_dicom_tells_side_and_scanner_and_not_which_one_it_was(
    tmp_path: Path, curate: Curate
) -> None:
    root = tmp_path / "s"
    dicom(
        root / "a.dcm",
        noise(1),
        Manufacturer="GE MEDICAL SYSTEMS",
        ManufacturerModelName="Senographe Pristina",
        DeviceSerialNumber="SN0815471",
        StationName="MAMMO_WEST_3",
        ImageLaterality="R",
        Laterality="L",
    )
    dicom(root / "b.dcm", noise(2), PatientID="P2", Laterality="L", ManufacturerModelName="0815471")
    done = curate(root)
    found = {attributes(row)[:2] for row in done.rows}
    assert found == {("right", "GE MEDICAL SYSTEMS Senographe Pristina"), ("left", "")}
    written = b"".join(p.read_bytes() for p in (done.run.dir / "dataset").rglob("*.parquet"))
    assert b"0815471" not in written
    assert b"MAMMO_WEST" not in written


COLUMNS = {"labels": "labels.csv", "target": "days", "target_event": "died"}


def scans(root: Path, *rows: str) -> Path:
    for number in range(6):
        picture(root / f"img{number}.png", number)
    table(root / "labels.csv", "file,grade,patient_id,laterality,lang,camera,days,died", *rows)
    return root


def test_a_table_gives_attributes_by_name_and_by_recipe(tmp_path: Path, curate: Curate) -> None:
    rows = [
        f"img{i}.png,{'ab'[i % 2]},p{i},{'LR'[i % 2]},English,Topcon,{i}.5,{i % 2}"
        for i in range(5)
    ]
    root = scans(tmp_path / "s", *rows, "img5.png,a,p5,,,Topcon SN 123456,,")
    done = curate(root, scanner="camera", deidentify={"source_paths": "keep"}, **COLUMNS)
    found = {row["source"]: attributes(row) for row in done.rows}
    assert found["img2.png"] == ("left", "Topcon", "en", 2.5, False)
    assert found["img3.png"] == ("right", "Topcon", "en", 3.5, True)
    assert found["img5.png"] == ("", "", "", None, None)
    assert done.dataset.classes == ["a", "b"]
    done.dataset.verify()


def test_rows_that_contradict_each_other_give_no_target(tmp_path: Path, curate: Curate) -> None:
    rows = [f"img{i}.png,a,p{i},,,,{i},1" for i in range(6)]
    root = scans(tmp_path / "s", *rows, "img0.png,a,p0,,,,77,1")
    done = curate(root, deidentify={"source_paths": "keep"}, **COLUMNS)
    targets = {row["source"]: (row["target"], row["target_event"]) for row in done.rows}
    assert targets.pop("img0.png") == (None, None)
    assert set(targets.values()) == {(float(i), True) for i in range(1, 6)}


def test_copies_complete_each_other_and_contradict_each_other(
    tmp_path: Path, curate: Curate
) -> None:
    rows = [f"img{i}.png,a,p{i},,,,{i},1" for i in range(6)]
    root = scans(tmp_path / "s", *rows, "same0.png,a,p0,left,,,0,", "same1.png,a,p1,,,,77,1")
    for number in (0, 1):
        picture(root / f"same{number}.png", number)
    done = curate(root, deidentify={"source_paths": "keep"}, **COLUMNS)
    found = {row["source"].replace("same", "img"): attributes(row) for row in done.rows}
    assert found["img0.png"] == ("left", "", "", 0.0, True)
    assert found["img1.png"] == ("", "", "", None, True)


def test_a_table_of_patients_fills_what_headers_leave_open(tmp_path: Path, curate: Curate) -> None:
    root = tmp_path / "s"
    for number, side in enumerate(("L", None, None, None)):
        dicom(root / f"scan{number}.dcm", noise(number), PatientID=f"P{number}", Laterality=side)
    lines = [f"P{i},{'ab'[i % 2]},right,{10 * i}" for i in range(4)]
    table(root / "labels.csv", "patient_id,diagnosis,laterality,days", *lines)
    done = curate(root, labels="labels.csv", target="days")
    found = sorted((row["target"], row["laterality"]) for row in done.rows)
    assert found == [(0.0, "left"), (10.0, "right"), (20.0, "right"), (30.0, "right")]


def test_a_text_states_its_language(tmp_path: Path, curate: Curate) -> None:
    texts = [
        f'"The lungs of number {i} are clear and the heart is of normal size."' for i in range(4)
    ]
    lines = [f"p{i},{text},{['en', 'de'][i % 2]}" for i, text in enumerate(texts)]
    source = table(tmp_path / "reports.csv", "patient_id,report,language", *lines)
    done = curate(source)
    assert {row["kind"] for row in done.rows} == {"text"}
    assert sorted(row["report_language"] for row in done.rows) == ["de", "de", "en", "en"]


@pytest.mark.filterwarnings("ignore")
def test_croissant_has_the_attributes_with_their_types(tmp_path: Path, curate: Curate) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    root = scans(tmp_path / "s", *[f"img{i}.png,a,p{i},left,,,{i},{i % 2}" for i in range(6)])
    done = curate(root, **COLUMNS)
    described = mlcroissant.Dataset(jsonld=done.run.dir / "dataset" / "croissant.json")
    assert not described.metadata.ctx.issues.errors
    records = list(described.records("samples"))
    for record, row in zip(records, done.rows, strict=True):
        assert record["samples/laterality"].decode() == "left"
        assert record["samples/target"] == row["target"]
        assert record["samples/target_event"] == row["target_event"]


ONE_LINE = (
    '    ward: Annotated[str, Column(doc="The ward.", parse=str.strip, headings="ward")] = ""\n'
)


def test_a_new_attribute_is_one_line(tmp_path: Path) -> None:
    """One line in a copy of the source: it is in the index, the staged rows, the manifest, …"""
    house = shutil.copytree(
        REPOSITORY / "medfm_cli",
        tmp_path / "medfm_cli",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    definition = house / "samples" / "attributes.py"
    text = definition.read_text("utf-8")
    head = "class Attributes:\n"
    docstring_ends = text.index('"""\n', text.index(head) + len(head) + 7) + 4
    definition.write_text(text[:docstring_ends] + ONE_LINE + text[docstring_ends:], "utf-8")
    root = scans(tmp_path / "s")
    lines = [f"img{i}.png,{'ab'[i % 2]},p{i},North {i}" for i in range(6)]
    table(root / "labels.csv", "file,diagnosis,patient_id,ward", *lines)
    recipe = tmp_path / "toy.yaml"
    recipe.write_text(f"source: {root}\nlabels: labels.csv\nworkers: 1\n", "utf-8")
    command = [
        sys.executable,
        "-m",
        "medfm_cli",
        "curate",
        str(recipe),
        "--out",
        str(tmp_path / "o"),
    ]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    dataset = tmp_path / "o" / "curate-toy" / "dataset"
    rows = pq.read_table(dataset / "samples.parquet").to_pylist()
    assert sorted(row["ward"] for row in rows) == [f"North {i}" for i in range(6)]
    croissant = json.loads((dataset / "croissant.json").read_text("utf-8"))
    fields = {f["name"]: f["description"] for s in croissant["recordSet"] for f in s["field"]}
    assert fields["ward"] == "The ward."
