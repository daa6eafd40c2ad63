"""Whole curations of small folders, in this process: the books, the labels, the split."""

from __future__ import annotations

import json
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from curate_files import dicom, noise, picture, table
from curate_types import Curate
from PIL import Image
from signal_files import record, waves

from medfm_cli.data import Dataset
from medfm_cli.errors import DataError


def pictures(root: Path, count: int = 6, *, ending: str = "png") -> Path:
    for number in range(count):
        picture(root / f"img{number}.{ending}", number)
    return root


def labels(root: Path, *lines: str, header: str = "file,label,patient_id") -> Path:
    return table(root / "labels.csv", header, *lines)


def test_every_file_is_accounted_for(tmp_path: Path, curate: Curate) -> None:
    root = pictures(tmp_path / "s")
    picture(root / "copy.png", 0)
    Image.open(root / "img1.png").save(root / "recoded.tif")
    picture(root / "tiny.png", 90, height=8)
    Image.new("L", (50, 50), 7).save(root / "blank.png")
    Image.fromarray(np.where(noise(3) > 9, 255, 0).astype(np.uint8)).save(root / "mask.png")
    (root / "notes.txt").write_text("words\n")
    (root / "broken.png").write_bytes((root / "img2.png").read_bytes()[:300])
    (root / ".hidden.png").write_bytes(b"")
    done = curate(root, labels="none")
    assert done.counts == {
        "files": 13, "read": 13, "kept": 6, "duplicates": 2, "quarantined": 5, "not_opened": 1,
            "companions": 0,
        "subjects": 6, "patients": 0, "labelled": 0, "samples": 6,
    }  # fmt: skip
    told = {(row["step"], row["reason"]) for row in done.quarantine}
    assert told == {
        ("source", "hidden"),
        ("read", "no known format: text"),
        ("read", "a truncated image"),
        ("quality", "tiny: a side of less than 24 pixels"),
        ("quality", "blank: all pixels are alike"),
        ("quality", "only two grey levels: a mask or a drawing"),
        ("duplicates", "the same file"),
        ("duplicates", "the same pixels"),
    }
    copies = [row for row in done.quarantine if row["step"] == "duplicates"]
    assert {row["image_id"] for row in copies} <= {row["image_id"] for row in done.rows}


def test_what_is_stored_is_what_was_read(tmp_path: Path, curate: Curate) -> None:
    root = pictures(tmp_path / "s")
    picture(root / "colour.png", 77, colour=True)
    done = curate(root, deidentify={"source_paths": "keep"})
    done.dataset.verify()
    for row, sample in enumerate(done.rows):
        expected = np.asarray(Image.open(root / sample["source"]))
        np.testing.assert_array_equal(done.dataset.image(row), expected)
        assert sample["channels"] == (3 if sample["source"] == "colour.png" else 1)


def test_the_same_twice_is_the_same_to_the_byte(tmp_path: Path, curate: Curate) -> None:
    root = pictures(tmp_path / "s", 12)
    keys: dict[str, Any] = {"labels": "none", "shard_bytes": 8192}
    one = curate(root, out="one", **keys)
    other = curate(root, out="two", **keys | {"workers": 2})
    for path in sorted((one.run.dir / "dataset").rglob("*")):
        if path.is_file():
            twin = other.run.dir / path.relative_to(one.run.dir)
            assert path.read_bytes() == twin.read_bytes(), path.name
    assert len(one.dataset.card.shards) > 3


def test_a_table_brings_labels_patients_and_more(tmp_path: Path, curate: Curate) -> None:
    root = pictures(tmp_path / "s", 12)
    rows = [f"img{i}.png,{'ill' if i % 2 else 'ok'},p{i // 2},left hip,Berlin" for i in range(12)]
    labels(root, *rows, header="file,diagnosis,patient_id,localization,hospital")
    done = curate(root, labels="labels.csv")
    assert done.counts["patients"] == 6
    assert done.dataset.classes == ["ill", "ok"]
    assert {row["anatomy"] for row in done.rows} == {"left hip"}
    (site,) = {row["site"] for row in done.rows}
    assert site.startswith("site-")  # the name of a hospital is in no file of the dataset
    sides: dict[str, set[str]] = {}
    for row in done.rows:
        sides.setdefault(row["subject_id"], set()).add(row["split"])
    assert all(len(found) == 1 for found in sides.values())
    assert len(sides) == 6
    resolved = done.run.resolved
    assert resolved["labels.column"]["value"] == "diagnosis"
    assert resolved["subject"]["value"] == "patient_id"
    assert resolved["labels.files"]["why"].startswith("100%")


def test_classes_keep_what_they_list_and_drop_leaves_out(tmp_path: Path, curate: Curate) -> None:
    root = pictures(tmp_path / "s", 6)
    labels(root, *[f"img{i}.png,{'abcabc'[i]},{i}" for i in range(6)])
    spec = {"file": "labels.csv", "classes": {"a": "good", "b": "good"}, "drop": ["c"]}
    done = curate(root, labels=spec)
    assert (done.counts["kept"], done.counts["quarantined"]) == (4, 2)
    assert done.dataset.classes == ["good"]
    assert "only one class" in done.said()
    spec = {"file": "labels.csv", "classes": {"c": "C", "a": "A"}}
    done = curate(root, out="two", labels=spec)
    assert done.dataset.classes == ["C", "A"], "in the order of the recipe"
    assert done.counts["labelled"] == 4
    assert "b (2)" in done.said()


def test_folders_are_labels_and_split(tmp_path: Path, curate: Curate) -> None:
    number = 0
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            for _ in range(6):
                picture(tmp_path / "s" / split / name / f"{number}.png", number)
                number += 1
    for given in ("auto", "folders"):
        done = curate(tmp_path / "s", out=given, labels=given)
        assert done.dataset.classes == ["cat", "dog"]
        assert done.run.resolved["split"]["value"] == "official"
        sides = {row["split"] for row in done.rows}
        assert sides == {"train", "val", "test"}, "val is taken out of train"
        assert sum(row["split"] == "test" for row in done.rows) == 12


def test_patients_folders_are_not_taken_for_classes(tmp_path: Path, curate: Curate) -> None:
    for number in range(20):
        picture(tmp_path / "s" / f"patient{number // 5:04d}" / f"{number}.png", number)
    done = curate(tmp_path / "s", subject="folders")
    assert done.dataset.card.label_schema.kind == "none"
    assert done.counts["patients"] == 4


def test_an_official_split_that_tears_a_patient_apart_is_not_used(
    tmp_path: Path, curate: Curate
) -> None:
    root = pictures(tmp_path / "s", 10)
    split = ["train"] * 5 + ["test"] * 5
    rows = [f"img{i}.png,{'ab'[i % 2]},p{i % 5},{split[i]}" for i in range(10)]
    labels(root, *rows, header="file,label,patient_id,split")
    done = curate(root, labels="labels.csv")
    assert "5 subjects in two splits" in done.run.resolved["split"]["why"]
    assert len({(r["subject_id"], r["split"]) for r in done.rows}) == 5
    kept = curate(root, out="two", labels="labels.csv", split={"official": "keep"})
    assert kept.run.resolved["split"]["value"] == "official"
    assert "5 subjects are in more than one part of the official split" in kept.said()


def test_lists_are_an_official_split(tmp_path: Path, curate: Curate) -> None:
    root = pictures(tmp_path / "s" / "img", 10).parent
    for name, numbers in {"train": range(6), "val": range(6, 8), "test": range(8, 10)}.items():
        table(root / "sets" / f"{name}.txt", *[f"img{i}" for i in numbers])
    done = curate(root)
    assert done.run.resolved["split.official"]["value"] == "lists"
    assert [sum(r["split"] == s for r in done.rows) for s in ("train", "val", "test")] == [6, 2, 2]


def test_dicom_names_nobody(tmp_path: Path, curate: Curate) -> None:
    root = tmp_path / "s"
    for number in range(6):
        dicom(
            root / f"MUELLER_{number}.dcm", noise(number), PatientID=f"PAT-{number // 2}",
            InstitutionName="St. Elsewhere", Modality="MR" if number % 2 else "CT",
        )  # fmt: skip
    dicom(root / "anonymous.dcm", noise(50), PatientID="ANONYMOUS")
    done = curate(root, labels="modality")
    assert done.dataset.classes == ["CT", "MR"]
    assert done.counts["patients"] == 3
    assert done.counts["subjects"] == 4
    secrets = [b"PAT-", b"Secret", b"Elsewhere", b"MUELLER"]
    for path in sorted(done.run.dir.rglob("*")):
        if path.is_file() and path.name != "linkage.parquet":
            data = path.read_bytes()
            assert not any(secret in data for secret in secrets), path
    text = repr(done.rows) + repr(done.quarantine)
    assert not any(secret.decode() in text for secret in secrets)
    linkage = done.run.dir / "linkage.parquet"
    assert stat.S_IMODE(linkage.stat().st_mode) == 0o600
    names = {r["source"]: r["path"] for r in pq.read_table(linkage).to_pylist()}
    assert {names[row["source"]].partition("_")[0] for row in done.rows} == {
        "MUELLER",
        "anonymous.dcm",
    }


def test_frames_of_one_file_are_one_subject(tmp_path: Path, curate: Curate) -> None:
    stack = np.stack([noise(seed) for seed in range(9)])
    dicom(tmp_path / "s" / "x", stack, PatientID="")
    dicom(tmp_path / "s" / "y", stack + 1, PatientID="", StudyInstanceUID=None)
    done = curate(tmp_path / "s", frames=3)
    assert done.counts["kept"] == 6
    assert done.counts["subjects"] == 2
    assert sorted({json.loads(row["facts"])["frame"] for row in done.rows}) == [0, 4, 8]
    assert len({row["source"] for row in done.rows}) == 6


def test_large_images_are_cut_and_labelled_ones_made_smaller(
    tmp_path: Path, curate: Curate
) -> None:
    picture(tmp_path / "s" / "large.png", 1, height=300, width=200)
    picture(tmp_path / "s" / "small.png", 2)
    cut = curate(tmp_path / "s", tile={"size": 64, "limit": 5})
    ids = [row["sample_id"] for row in cut.rows]
    assert sum("-t" in name for name in ids) == 5
    assert cut.counts["kept"] == 2
    assert cut.dataset.card.cutting.tile == 64
    places = [json.loads(r["facts"])["tile"] for r in cut.rows if "-t" in r["sample_id"]]
    whole = np.asarray(Image.open(tmp_path / "s" / "large.png"))
    for row, sample in enumerate(cut.rows):
        if "-t" in sample["sample_id"]:
            y, x = json.loads(sample["facts"])["tile"]
            np.testing.assert_array_equal(cut.dataset.image(row), whole[y : y + 64, x : x + 64])
    assert len({tuple(place) for place in places}) == 5
    labels(tmp_path / "s", "large.png,a,1", "small.png,b,2")
    kept = curate(tmp_path / "s", out="two", labels="labels.csv", tile={"max_side": 150})
    assert {(r["height"], r["width"]) for r in kept.rows} == {(150, 100), (40, 48)}
    assert kept.run.resolved["tile.size"]["value"] is None


def test_a_collection_keeps_its_split_and_loses_its_copies(tmp_path: Path, curate: Curate) -> None:
    images = [noise(i, height=28, width=28) for i in range(12)]
    arrays = {
        "train_images": np.stack(images[:8]),
        "val_images": np.stack([*images[8:10], images[0]]),
        "test_images": np.stack([*images[10:], images[1]]),
    }
    arrays |= {f"{s}_labels": np.arange(len(arrays[f"{s}_images"]))[:, None] % 2
               for s in ("train", "val", "test")}  # fmt: skip
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    done = curate(tmp_path / "x.npz")
    assert (done.counts["read"], done.counts["duplicates"]) == (14, 2)
    assert done.counts["subjects"] == 12
    split = [sum(r["split"] == s for r in done.rows) for s in ("train", "val", "test")]
    assert split == [6, 3, 3], "a copy stays in val or test and leaves train"
    assert "2 images have duplicates in another official split; one copy is kept" in done.said()


def test_rows_that_contradict_each_other_or_could_mean_two_files(
    tmp_path: Path, curate: Curate
) -> None:
    for number, name in enumerate(["a/1.png", "b/1.png", "a/2.png", "a/3.png", "a/4.png"]):
        picture(tmp_path / "s" / name, number)
    lines = ["1.png,x", "2.png,x", "2.png,y", "3.png,x", "4.png,y", "gone.png,x"]
    labels(tmp_path / "s", *lines, header="file,label")
    done = curate(tmp_path / "s", labels="labels.csv")
    assert done.counts["labelled"] == 2
    said = done.said()
    assert "2 images match a table row that fits several files, and so have no label" in said
    assert "1 images have table rows with conflicting labels, and so no label" in said
    assert "name 1 files that are missing or unreadable" in said
    assert [r["step"] for r in done.quarantine] == ["table"]


def test_a_mask_of_the_same_name_does_not_make_a_row_ambiguous(
    tmp_path: Path, curate: Curate
) -> None:
    for number in range(4):
        picture(tmp_path / "s" / "images" / f"{number}.png", number)
        mask = np.where(noise(number) > 99, 255, 0).astype(np.uint8)
        (tmp_path / "s" / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "s" / "masks" / f"{number}.png")
    labels(tmp_path / "s", *[f"{i}.png,{'ab'[i % 2]}" for i in range(4)], header="file,label")
    done = curate(tmp_path / "s", labels="labels.csv")
    assert (done.counts["labelled"], done.counts["companions"]) == (4, 4)


def test_a_table_of_patients_labels_their_folders(tmp_path: Path, curate: Curate) -> None:
    for number in range(12):
        picture(tmp_path / "s" / f"case{number // 3}" / f"{number}.png", number)
    labels(tmp_path / "s", *[f"case{i},{'ab'[i % 2]}" for i in range(4)], header="case,outcome")
    done = curate(tmp_path / "s", labels="labels.csv")
    assert (done.counts["labelled"], done.counts["patients"]) == (12, 4)


def test_a_table_of_patients_is_joined_with_the_headers(tmp_path: Path, curate: Curate) -> None:
    for number in range(9):
        path = tmp_path / "s" / f"{number}.dcm"
        dicom(path, noise(number), PatientID=f" P{number // 2} ")
    rows = [f"P{i},{'ab'[i % 2]},Bonn,{95 - 50 * (i % 2)},female" for i in range(4)]
    labels(tmp_path, *rows, "P77,a,Bonn,77,m", header="PatientID,diagnosis,site,age,sex")
    done = curate(tmp_path / "s", labels=str(tmp_path / "labels.csv"))
    assert (done.counts["labelled"], done.counts["patients"]) == (8, 5)
    assert "patients in the files' headers" in done.run.resolved["labels.files"]["why"]
    sites = Counter(row["site"] for row in done.rows if row["site"])
    assert list(sites.values()) == [8] and "Bonn" not in sites
    found = Counter((row["age"], row["sex"]) for row in done.rows)
    assert found == {(90.0, "F"): 4, (45.0, "F"): 4, (None, ""): 1}
    assert b"P77" not in (done.run.dir / "dataset" / "quarantine.parquet").read_bytes()
    table(tmp_path / "labels.csv", "PatientID,diagnosis", "Q1,a", "Q2,b", "Q3,a")
    with pytest.raises(DataError, match="names neither a file of the source nor a patient"):
        curate(tmp_path / "s", out="two", labels=str(tmp_path / "labels.csv"))


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"file": "labels.csv", "column": "klass"}, "has no column 'klass'"),
        ({"file": "labels.csv", "files": "label"}, "names no file of the source"),
        ({"field": "colour"}, "from the field 'colour', which no sample has"),
        ("other.csv", "no column of .* names a file of the source"),
        ("unclear.csv", "could be the label"),
        ("unlabelled.csv", "is clearly the label"),
        ("boxes.csv", "several rows with different labels for 6 of 6 files"),
    ],
)
def test_labels_that_do_not_fit(tmp_path: Path, curate: Curate, spec: Any, sentence: str) -> None:
    root = pictures(tmp_path / "s")
    labels(root, *[f"img{i}.png,{'ab'[i % 2]},{i}" for i in range(6)])
    table(root / "other.csv", "file,label", "x.png,a", "y.png,b")
    table(
        root / "unclear.csv",
        "file,label,target",
        *[f"img{i}.png,{i % 2},{i % 3}" for i in range(6)],
    )
    table(root / "unlabelled.csv", "file,n_cells", *[f"img{i}.png,{i}" for i in range(6)])
    boxes = [f"img{i}.png,{c}" for i in range(6) for c in ("red", "white")]
    table(root / "boxes.csv", "file,cell_type", *boxes)
    with pytest.raises(DataError, match=sentence) as caught:
        curate(root, labels=spec)
    assert caught.value.hint
    assert not (tmp_path / "run" / "dataset" / "dataset.json").exists()


def test_two_tables_are_not_chosen_between(tmp_path: Path, curate: Curate) -> None:
    root = pictures(tmp_path / "s")
    for name in ("one.csv", "two.csv"):
        table(root / name, "file,label", *[f"img{i}.png,{'ab'[i % 2]}" for i in range(6)])
    with pytest.raises(DataError, match=r"'one\.csv', 'two\.csv'") as caught:
        curate(root)
    assert caught.value.hint is not None and "labels=one.csv" in caught.value.hint


def test_nothing_readable_is_an_error_that_says_why(tmp_path: Path, curate: Curate) -> None:
    for number in range(3):
        (tmp_path / "s").mkdir(exist_ok=True)
        (tmp_path / "s" / f"{number}.dat").write_bytes(b"\0\1\2" * 50)
    with pytest.raises(DataError, match=r"none of the 3 files .* 3 × no known format"):
        curate(tmp_path / "s")
    assert not (tmp_path / "run" / "dataset" / "dataset.json").exists()


def test_names_of_every_kind_come_through(tmp_path: Path, curate: Curate) -> None:
    names = ["new\nline.png", "emoji 🩻.png", "quote'\".png", "comma, x.png"]
    for number, name in enumerate(names):
        picture(tmp_path / "s" / f"{number}.png", number).rename(tmp_path / "s" / name)
    quoted = ['"' + name.replace('"', '""') + f'",{"ab"[i % 2]}' for i, name in enumerate(names)]
    labels(tmp_path / "s", *quoted, header="file,label")
    done = curate(tmp_path / "s", labels="labels.csv", deidentify={"source_paths": "keep"})
    assert done.counts["labelled"] == 4
    assert {row["source"] for row in done.rows} == set(names)


def test_the_croissant_describes_the_manifest(tmp_path: Path, curate: Curate) -> None:
    done = curate(pictures(tmp_path / "s"), licences=["CC BY 4.0"])
    root = done.run.dir / "dataset"
    document = json.loads((root / "croissant.json").read_text())
    manifest = document["distribution"][0]
    assert manifest["sha256"] == done.dataset.card.manifest_sha256
    assert manifest["contentUrl"] == "samples.parquet"
    fields = [f["source"]["extract"]["column"] for f in document["recordSet"][0]["field"]]
    assert fields == done.dataset.samples.column_names
    assert document["license"] == ["CC BY 4.0"]


def test_the_report_shows_pictures_and_says_what_was_not_checked(
    tmp_path: Path, curate: Curate
) -> None:
    root = pictures(tmp_path / "s")
    picture(root / "copy.png", 0)
    done = curate(root)
    titles = [section.title for section in done.result.sections]
    assert "Privacy" in titles
    assert "NOT CHECKED" in done.said()
    figures = [b for s in done.result.sections for b in s.blocks if type(b).__name__ == "Figure"]
    assert len(figures) == 2
    for figure in figures:
        with Image.open(done.run.dir / str(figure.path)) as sheet:
            assert sheet.width > 100
    assert Dataset.open(done.run.dir).version == done.result.lineage["dataset"]


def test_a_broken_row_of_the_label_table_is_quarantined_with_its_number(
    tmp_path: Path, curate: Curate
) -> None:
    for number in range(6):
        picture(tmp_path / "s" / f"{number}.png", number)
    lines = [f"{n}.png,{'xy'[n % 2]}" for n in range(6)]
    lines[3] = '3.png,"y'
    labels(tmp_path / "s", *lines, header="file,label")
    done = curate(tmp_path / "s", labels="labels.csv")
    assert (done.counts["kept"], done.counts["labelled"]) == (6, 5)
    (row,) = done.quarantine
    assert row["step"] == "table"
    assert row["reason"] == "row 4 (line 5): a quoted cell that is not closed"


def test_documents_that_begin_with_the_same_picture_are_not_one(
    tmp_path: Path, curate: Curate
) -> None:
    for number in range(3):
        picture(tmp_path / "s" / f"{number}.png", number)
    documents = [
        {"text": "Before <image> and after <image>.", "images": ["0.png", "1.png"]},
        {"text": "Before <image> and after <image>.", "images": ["0.png", "2.png"]},
        {"text": "Another word on <image> and <image>.", "images": ["0.png", "1.png"]},
        {"text": "Before <image> and after <image>.", "images": ["0.png", "1.png"]},
    ]
    lines = "\n".join(json.dumps(document) for document in documents)
    (tmp_path / "s" / "documents.jsonl").write_text(lines + "\n")
    done = curate(tmp_path / "s", readers=["interleaved"])
    copies = [row for row in done.quarantine if row["step"] == "duplicates"]
    assert (done.counts["kept"], len(copies)) == (3, 1)
    held = [done.dataset.members(row, ["1.png"])["1.png"] for row in range(3)]
    assert len(set(held)) == 2


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # where wfdb writes
def test_the_lineage_knows_every_file_that_was_read_with_another(
    tmp_path: Path, curate: Curate
) -> None:
    """A WFDB header may stay as it is while its signals change."""
    (tmp_path / "s").mkdir()
    record(tmp_path / "s", "a", waves(500))
    digests = []
    for out in ("one", "two", "three"):
        done = curate(tmp_path / "s", out=out, labels="none")
        digests.append(done.dataset.card.lineage.source_digest)
        (row,) = done.rows
        assert done.dataset.card.lineage.source_count == 1
        if out == "two":
            data = bytearray((tmp_path / "s" / "a.dat").read_bytes())
            data[100] ^= 4
            (tmp_path / "s" / "a.dat").write_bytes(data)
    assert digests[0] == digests[1] != digests[2]
    assert row["kind"] == "signal"
