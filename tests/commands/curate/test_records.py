"""Whole curations of records: reports, tables, questions, documents, tars, Hugging Face folders."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from curate_files import noise, picture
from curate_types import Curate, Curated

from medfm_cli.data import Dataset
from medfm_cli.samples import payload
from medfm_cli.samples.content import Image2D, Row, Text

SENTENCE = "the heart is of normal size and the lungs are clear on both sides of patient"


def contents(done: Curated) -> list[Any]:
    dataset = Dataset.open(done.run.path("dataset"))
    return [dataset.content(row) for row in dataset.rows(kind=None)]


@pytest.mark.parametrize("alone", [True, False])
def test_a_table_of_reports_is_a_source(tmp_path: Path, curate: Curate, alone: bool) -> None:
    lines = [f"P{i // 2},{SENTENCE} {i},{'ab'[i % 2]}" for i in range(12)]
    lines[7] = '3,"stray,b'
    path = tmp_path / "s" / "reports.csv"
    path.parent.mkdir()
    path.write_text("\n".join(["patient_id,report,kind", *lines]))
    done = curate(path if alone else path.parent, labels={"column": "kind"})
    assert (done.counts["read"], done.counts["kept"], done.counts["quarantined"]) == (12, 11, 1)
    assert done.counts["subjects"] == 6
    assert Counter(row["label"] for row in done.rows) == {"a": 6, "b": 5}
    assert all(isinstance(content, Text) for content in contents(done))
    (row,) = done.quarantine
    assert row["reason"] == "row 8 (line 9): a quoted cell that is not closed"


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_plain_table_is_a_source_when_a_recipe_says_so(
    tmp_path: Path, curate: Curate, form: str
) -> None:
    columns = {"pid": [f"P{i}" for i in range(10)], "age": list(range(40, 50))}
    columns |= {"died": [i % 2 for i in range(10)], "stage": ["x"] * 10}
    path = tmp_path / f"table.{form}"
    if form == "parquet":
        pq.write_table(pa.table(columns), path)
    else:
        rows = zip(*columns.values(), strict=True)
        path.write_text("\n".join([",".join(columns), *(",".join(map(str, r)) for r in rows)]))
    done = curate(path, readers=["table"], subject="pid", labels={"column": "died"})
    assert (done.counts["kept"], done.counts["subjects"], done.counts["labelled"]) == (10, 10, 10)
    cells = [content.cells for content in contents(done) if isinstance(content, Row)]
    assert sorted(row["age"] for row in cells) == [float(age) for age in range(40, 50)]
    assert [set(row) for row in cells] == [{"age", "stage"}] * 10


def test_questions_stay_with_their_picture(tmp_path: Path, curate: Curate) -> None:
    rows = []
    for i in range(8):
        picture(tmp_path / "s" / "images" / f"{i}.png", i)
        rows += [{"image": f"{i}.png", "question": f"Q{n}?", "answer": "yes"} for n in range(3)]
    rows.append({"image": "gone.png", "question": "Q?", "answer": "no"})
    (tmp_path / "s" / "questions.json").write_text(json.dumps(rows))
    done = curate(tmp_path / "s")
    assert (done.counts["read"], done.counts["kept"], done.counts["companions"]) == (8, 8, 1)
    assert all(len(json.loads(row["turns"])) == 3 for row in done.rows)
    assert [(row["step"], row["reason"]) for row in done.quarantine] == [
        ("table", "the image of a question is missing")
    ]


def test_a_document_is_one_sample_with_all_its_pictures(tmp_path: Path, curate: Curate) -> None:
    rows = []
    for i in range(6):
        for n in range(2):
            picture(tmp_path / "s" / f"{i}-{n}.png", 2 * i + n)
        images = [f"{i}-0.png", f"{i}-1.png"]
        rows.append({"text": f"One {i} <image> two <image>.", "images": images})
    (tmp_path / "s" / "documents.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = curate(tmp_path / "s")
    assert (done.counts["files"], done.counts["kept"]) == (1, 6)
    assert all("<image>" in row["text"] for row in done.rows)
    assert all(isinstance(content, Image2D) for content in contents(done))
    assert all("1.png" in json.loads(row["members"]) for row in done.rows)


def test_a_dataset_is_curated_again_from_its_shards(tmp_path: Path, curate: Curate) -> None:
    for i in range(8):
        picture(tmp_path / "s" / "ab"[i % 2] / f"{i}.png", i)
    first = curate(tmp_path / "s", labels="folders")
    shards = first.run.path("dataset", "shards")
    again = curate(shards, out="again")
    assert again.counts["kept"] == 8
    assert Counter(r["label"] for r in again.rows) == Counter(r["label"] for r in first.rows)
    assert sorted(r["image_id"] for r in again.rows) == sorted(r["image_id"] for r in first.rows)
    (shard,) = shards.glob("*.tar")
    alone = curate(shard, out="alone")
    assert sorted(r["image_id"] for r in alone.rows) == sorted(r["image_id"] for r in first.rows)


def test_a_folder_of_hugging_face_datasets(tmp_path: Path, curate: Curate) -> None:
    for split, seeds in (("train", range(6)), ("test", range(6, 9))):
        folder = tmp_path / "s" / split
        folder.mkdir(parents=True)
        images = [{"bytes": payload.png(noise(i)), "path": None} for i in seeds]
        table = pa.table({"image": images, "label": [i % 2 for i in seeds]})
        path = folder / "data-00000-of-00001.arrow"
        with path.open("wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
        features = {"label": {"names": ["healthy", "ill"], "_type": "ClassLabel"}}
        (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
        (folder / "state.json").write_text('{"_data_files": [], "_fingerprint": "x"}')
    (tmp_path / "s" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    done = curate(tmp_path / "s")
    assert (done.counts["files"], done.counts["kept"], done.counts["quarantined"]) == (2, 9, 0)
    assert Counter(row["label"] for row in done.rows) == {"healthy": 5, "ill": 4}
    assert Counter(row["split"] for row in done.rows)["test"] == 3
    pixels = {content.pixels.tobytes() for content in contents(done)}
    assert pixels == {np.ascontiguousarray(noise(i)).tobytes() for i in range(9)}


def test_masks_and_boxes_come_into_the_dataset(tmp_path: Path, curate: Curate) -> None:
    for i in range(6):
        picture(tmp_path / "s" / "images" / f"{i}.png", i)
        mask = np.zeros((40, 48), np.uint8)
        mask[i : i + 9, 3:20] = 1 + i % 2
        path = tmp_path / "s" / "masks" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(payload.png(mask))
    done = curate(tmp_path / "s", labels={"kind": "masks", "classes": {"1": "one", "2": "two"}})
    assert (done.counts["kept"], done.counts["companions"]) == (6, 6)
    assert Counter(tuple(row["labels"]) for row in done.rows) == {("one",): 3, ("two",): 3}
    assert all("mask.png" in json.loads(row["members"]) for row in done.rows)
