"""Boxes, masks, questions and captions that stand in other files than the pictures."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from curate_files import noise, picture
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medfm_cli.commands.curate.annotations import boxes, coco, masks, voc
from medfm_cli.commands.curate.annotations.apply import apply_annotations
from medfm_cli.commands.curate.annotations.step import Counts, find_annotations, refs_of
from medfm_cli.commands.curate.catalog import Catalog
from medfm_cli.commands.curate.sources.matching import stem
from medfm_cli.readers import Item, Unreadable, read_images
from medfm_cli.readers.item import Box, Turn


@contextmanager
def books(root: Path, keep: Path | None = None) -> Iterator[Catalog]:
    """A catalog with all files of a folder."""
    home = keep or root.parent
    with Catalog(home / "catalog.sqlite") as catalog:
        paths = sorted(path for path in root.rglob("*") if path.is_file())
        catalog.insert(
            "files",
            ("number", "block", "name", "path", "size", "stamp", "last", "stem"),
            (
                (
                    number,
                    0,
                    str(path.relative_to(root)),
                    str(path),
                    path.stat().st_size,
                    0,
                    path.name.lower(),
                    stem(path.name.lower()),
                )
                for number, path in enumerate(paths)
            ),
        )
        catalog.index("files")
        yield catalog


def read(catalog: Catalog, labels: str = "") -> dict[str, Item]:
    """The annotated items of all files that have no other role."""
    found = {}
    for row in list(catalog.rows("SELECT number, name, path FROM files WHERE role = ''")):
        for item in read_images(row["path"]):
            found[row["name"]] = apply_annotations(item, refs_of(catalog, row["number"]), labels)
    return found


def roles(catalog: Catalog) -> dict[str, str]:
    return {row["name"]: row["role"] for row in catalog.rows("SELECT name, role FROM files")}


def absent(catalog: Catalog) -> list[tuple[str, str]]:
    sql = "SELECT DISTINCT name, reason FROM absent ORDER BY name, reason"
    return [tuple(row) for row in catalog.rows(sql)]


VOC = "<annotation><filename>{}</filename><size><width>48</width><height>40</height></size>{}"
OBJECT = "<object><name>{}</name><bndbox>{}</bndbox></object>"


def voc_file(path: Path, name: str, *objects: tuple[Any, ...]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sides = ("xmin", "ymin", "xmax", "ymax")
    inside = "".join(
        OBJECT.format(label, "".join(f"<{s}>{v}</{s}>" for s, v in zip(sides, four, strict=True)))
        for label, *four in objects
    )
    path.write_text(VOC.format(name, inside) + "</annotation>")
    return path


def test_voc_boxes_are_read_clipped_and_counted(tmp_path: Path) -> None:
    root = tmp_path / "data"
    picture(root / "images" / "a.png")
    picture(root / "images" / "b.png", 1)
    voc_file(
        root / "Annotations" / "a.xml",
        "elsewhere.jpg",
        ("cell", 1, 2, 30, 40),
        ("cell", -5, 0, 60, 20),
        ("dust", 50, 50, 60, 60),
        ("dust", "x", 0, 1, 1),
    )
    voc_file(root / "Annotations" / "7.xml", "b.png")
    voc_file(root / "Annotations" / "c.xml", "c.png", ("cell", 1, 1, 2, 2))
    with books(root) as catalog:
        counts = find_annotations(catalog, 0)
        items = read(catalog, "boxes")
        assert absent(catalog) == [("c.png", "the image of an annotation is missing")]
        assert {n for n, role in roles(catalog).items() if role} == {
            f"Annotations/{name}.xml" for name in ("a", "7", "c")
        }
    assert counts == Counts({"voc": 2}, {"voc": 2}, 1, 0)
    a, b = items["images/a.png"], items["images/b.png"]
    assert a.boxes == (Box("cell", 1, 2, 30, 40), Box("cell", 0, 0, 48, 20))
    assert set(a.notes) == {boxes.CLIPPED, boxes.OUTSIDE}
    assert (a.labels, a.facts["boxes"]) == (["cell"], 2)
    assert (b.boxes, b.labels) == ((), [])  # said to hold none of the classes


def test_boxes_of_another_size_are_scaled_and_of_another_shape_left_out() -> None:
    box = Box("x", 10, 20, 30, 40)
    assert boxes.fit([box], 200, 100, (50, 100)).boxes == [Box("x", 20, 40, 60, 80)]
    assert boxes.fit([box], 200, 100, (0, 0)).boxes == [box]
    turned = boxes.fit([box], 200, 100, (200, 100))
    assert (turned.boxes, turned.counts) == ([], {boxes.RESIZED: 1})


@given(
    st.lists(st.tuples(*[st.floats(width=32)] * 4), max_size=5),
    st.integers(1, 50),
    st.integers(1, 50),
)
def test_every_box_lies_in_the_picture_or_is_counted(
    sides: list[tuple[float, float, float, float]], height: int, width: int
) -> None:
    fitted = boxes.fit([Box("x", *four) for four in sides], height, width, None)
    for box in fitted.boxes:
        assert 0 <= box.x0 < box.x1 <= width
        assert 0 <= box.y0 < box.y1 <= height
    assert len(fitted.boxes) + fitted.counts.get(boxes.OUTSIDE, 0) == len(sides)


@pytest.mark.parametrize(
    "text",
    [
        "<annotation><object>",
        '<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>',
        "<annotation>" * 3,
    ],
)
def test_damaged_and_dangerous_xml_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(Unreadable):
        voc.load(tmp_path / "a.xml")


def test_an_annotation_that_is_damaged_leaves_the_picture(tmp_path: Path) -> None:
    root = tmp_path / "data"
    picture(root / "a.png")
    (root / "a.xml").write_text("<annotation><object><name>cell</name>")
    with books(root) as catalog:
        find_annotations(catalog, 0)
        items = read(catalog, "boxes")
    assert items["a.png"].notes == ("left out: a damaged XML file",)
    assert items["a.png"].labels is None


COCO = {
    "info": {"description": "x"},
    "images": [
        {"id": 1, "file_name": "a.png", "width": 48, "height": 40},
        {"id": 2, "file_name": "b.png", "width": 96, "height": 80},
        {"id": 3, "file_name": "gone.png", "width": 48, "height": 40},
        {"id": 4, "file_name": "empty.png"},
    ],
    "annotations": [
        {"image_id": 1, "category_id": 7, "bbox": [10, 10, 5, 6], "id": 1},
        {"image_id": 2, "category_id": 3, "bbox": [20, 20, 40, 40], "id": 2}
        | {"segmentation": [[20, 20, 59, 20, 59, 59, 20, 59]]},
        {"image_id": 2, "category_id": 7, "bbox": [0, 0, 1, 1], "id": 3}
        | {"segmentation": {"size": [80, 96], "counts": [0, 1, 80 * 96 - 1]}},
        {"image_id": 3, "category_id": 7, "bbox": [0, 0, 1, 1], "id": 4},
        {"image_id": 1, "caption": "two cells", "id": 5},
    ],
    "categories": [{"id": 3, "name": "nucleus"}, {"id": 7, "name": "cell"}],
}


@pytest.mark.parametrize("indent", [None, 2])
def test_coco_boxes_outlines_and_captions(tmp_path: Path, indent: int | None) -> None:
    root = tmp_path / "data"
    for seed, name in enumerate(("a", "b", "empty", "other")):
        picture(root / "images" / f"{name}.png", seed)
    (root / "instances.json").write_text(json.dumps(COCO, indent=indent))
    with books(root) as catalog:
        counts = find_annotations(catalog, 0)
        items = read(catalog, "boxes")
        assert absent(catalog) == [("gone.png", "the image of an annotation is missing")]
    assert counts == Counts({"coco": 3}, {"coco": 1}, 1, 0)
    a, b = items["images/a.png"], items["images/b.png"]
    assert (a.boxes, a.text) == ((Box("cell", 10, 10, 15, 16),), "two cells")
    assert (b.boxes[0], set(b.notes)) == (Box("nucleus", 10, 10, 30, 30), {boxes.SCALED})
    assert b.mask is not None
    assert b.mask.shape == (40, 48)
    assert (b.mask == 1).sum() == 400
    assert (b.mask[10:30, 10:30] == 1).all()
    assert (b.mask[0, 0], b.facts["mask_classes"]) == (2, {"1": "nucleus", "2": "cell"})
    assert (items["images/empty.png"].labels, items["images/other.png"].labels) == ([], None)


def packed(counts: list[int]) -> str:
    """The inverse of `unpack`, after rleToString of the COCO API."""
    text = ""
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            digit = value & 0x1F
            value >>= 5
            more = value != -1 if digit & 0x10 else value != 0
            text += chr((digit | 0x20 if more else digit) + 48)
    return text


@given(st.lists(st.integers(0, 100_000), max_size=30))
def test_packed_outlines_are_unpacked(counts: list[int]) -> None:
    assert coco.unpack(packed(counts)) == counts


def test_an_outline_runs_down_the_columns() -> None:
    outline = {"size": [2, 3], "counts": packed([1, 2, 3])}
    assert coco.region(outline, 2, 3).tolist() == [[False, True, False], [True, False, False]]
    for bad in ({"size": [3, 2], "counts": [6]}, {"size": [2, 3], "counts": [7]}, [["x"]]):
        with pytest.raises(Unreadable):
            coco.region(bad, 2, 3)


def test_a_table_of_boxes(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for seed, name in enumerate("abc"):
        picture(root / f"{name}.png", seed)
    lines = ["patientId,x,y,width,height,Target", "a,1,2,3,4,1", "a,10,10,100,5,1", "b,,,,,0"]
    (root / "boxes.csv").write_text("\n".join([*lines, "gone,1,1,1,1,1", '"b,1', "c,z,1,1,1,1"]))
    with books(root) as catalog:
        counts = find_annotations(catalog, 0)
        items = read(catalog, "boxes")
        assert absent(catalog) == [
            ("boxes.csv", "row 5: a quoted cell that is not closed"),
            ("gone", "the image of a box is missing"),
        ]
    assert counts.files == {"boxes": 3}
    assert items["a.png"].boxes == (Box("1", 1, 2, 4, 6), Box("1", 10, 10, 48, 15))
    assert items["b.png"].boxes == ()
    assert items["c.png"].notes == (boxes.OUTSIDE,)


def test_a_table_of_other_numbers_and_of_other_pictures_is_no_annotation(tmp_path: Path) -> None:
    root = tmp_path / "data"
    picture(root / "a.png")
    (root / "labels.csv").write_text("file,label,age\na.png,x,3\n")
    (root / "others.csv").write_text("file,xmin,ymin,xmax,ymax\nz.png,1,1,2,2\n")
    (root / "questions.json").write_text('[{"question": "a?", "answer": "b"}]')
    with books(root) as catalog:
        assert find_annotations(catalog, 0) == Counts()
        assert set(roles(catalog).values()) == {""}
        assert absent(catalog) == []


def mask_file(path: Path, values: Any, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(values, np.uint8))
    if how.pop("palette", False):
        image = image.convert("P")
        image.putdata(np.asarray(values).reshape(-1).tolist())
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    image.save(path, **how)
    return path


REGION = np.zeros((40, 48), np.uint8)
REGION[5:15, 10:20] = 1


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/a.png", "masks/a.png"),
        ("JPEGImages/a.png", "SegmentationClass/a.png"),
        ("a.png", "a_mask.png"),
        ("a.png", "masks/a_segmentation.png"),
        ("train/images/a.png", "train/labels/a.bmp"),
        ("imagesTr/a.png", "labelsTr/a.png"),
        ("benign (1).png", "benign (1)_mask.png"),
    ],
)
def test_masks_are_found_by_name_and_content(tmp_path: Path, image: str, mask: str) -> None:
    root = tmp_path / "data"
    picture(root / image)
    mask_file(root / mask, REGION * 255)
    with books(root) as catalog:
        counts = find_annotations(catalog, 0)
        items = read(catalog, "masks")
    assert counts == Counts({"mask": 1}, {"mask": 1})
    assert (items[image].mask == REGION).all()
    assert items[image].labels == ["1"]


def test_several_masks_of_one_picture_are_one(tmp_path: Path) -> None:
    root = tmp_path / "data"
    picture(root / "a.png")
    mask_file(root / "a_mask.png", REGION * 255)
    mask_file(root / "a_mask_1.png", REGION[::-1] * 255)
    with books(root) as catalog:
        assert find_annotations(catalog, 0).sources == {"mask": 2}
        items = read(catalog)
    assert (items["a.png"].mask == (REGION | REGION[::-1])).all()


@pytest.mark.parametrize("content", ["photograph", "size"])
def test_pictures_that_are_only_called_masks_stay_pictures(tmp_path: Path, content: str) -> None:
    root = tmp_path / "data"
    picture(root / "images" / "a.png")
    if content == "photograph":
        picture(root / "mask" / "a.png", 1)
    else:
        mask_file(root / "mask" / "a.png", REGION[:20])
    with books(root) as catalog:
        assert find_annotations(catalog, 0) == Counts()
        assert set(roles(catalog).values()) == {""}


def test_the_values_of_masks_are_kept_however_they_are_written(tmp_path: Path) -> None:
    two = REGION + 2 * REGION[::-1]
    colours = np.array([[0, 0, 0], [0, 0, 128], [128, 0, 0]], np.uint8)[two]
    grey = np.repeat(two[..., None], 3, axis=2)
    for name, path in {
        "grey": mask_file(tmp_path / "a.png", two),
        "palette": mask_file(tmp_path / "b.png", two, palette=True),
        "colours": mask_file(tmp_path / "c.png", colours),
        "grey colours": mask_file(tmp_path / "d.png", grey),
    }.items():
        assert (masks.read(path) == two).all(), name
    wide = two.astype(np.uint16) * 300
    Image.fromarray(wide).save(tmp_path / "e.png")
    assert (masks.read(tmp_path / "e.png") == wide).all()
    np.save(tmp_path / "f.npy", two.astype(np.int64))
    assert (masks.read(tmp_path / "f.npy") == two).all()
    blurred = mask_file(tmp_path / "g.jpg", REGION * 255, quality=90)
    assert (masks.read(blurred) == REGION).mean() > 0.98


def test_what_is_no_mask_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:100])
    np.save(tmp_path / "c.npy", np.full((4, 4), 0.5))
    np.save(tmp_path / "d.npy", np.array([{}]), allow_pickle=True)
    Image.fromarray(noise(1, colour=True)).save(tmp_path / "e.png")
    for path in tmp_path.iterdir():
        with pytest.raises(Unreadable):
            masks.read(path)


def test_questions_become_turns_of_their_picture(tmp_path: Path) -> None:
    root = tmp_path / "data"
    picture(root / "images" / "a.png")
    picture(root / "images" / "b.png", 1)
    rows = [
        {"image": "a.png", "question": "Is it?", "answer": "yes", "organ": "HEAD", "split": "test"},
        {"image": "b.png", "question": "What?", "answer": 2, "organ": "CHEST", "split": "test"},
        {"image": "a.png", "question": "Where?", "answer": "left", "organ": "HEAD"},
        {"image": "c.png", "question": "Who?", "answer": "x"},
        {"image": "a.png", "question": "Why?", "answer": None},
        {"question": "How?", "answer": "so"},
    ]
    (root / "qa.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n{bad\n")
    with books(root) as catalog:
        counts = find_annotations(catalog, 0)
        items = read(catalog)
        assert absent(catalog) == [
            ("c.png", "the image of a question is missing"),
            ("qa.jsonl", "row 5: no question or no answer"),
            ("qa.jsonl", "row 6: a question without an image"),
            ("qa.jsonl", "row 7: not a JSON object"),
        ]
        assert roles(catalog)["qa.jsonl"] == "annotation"
    assert counts.files == {"turns": 2}
    a, b = items["images/a.png"], items["images/b.png"]
    assert [turn.question for turn in a.turns] == ["Is it?", "Where?"]
    assert (a.anatomy, a.split) == ("head", None)  # only one of its rows says a split
    assert b.turns == (Turn("What?", "2", {"organ": "CHEST", "split": "test"}),)
    assert b.split == "test"


@pytest.mark.realdata
def test_blood_cells_have_the_boxes_of_their_xml(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "blood_bccd"
    with books(root, tmp_path) as catalog:
        counts = find_annotations(catalog, 0)
        items = _pictures(catalog)
    assert counts.files["voc"] == 364
    assert counts.sources["voc"] == 364
    assert counts.doubled == 364  # boxes.csv says it again
    compared = 0
    for name, item in items.items():
        last = name.rpartition("/")[2]
        xml = ElementTree.parse(root / "Annotations" / last.replace(".jpg", ".xml"))  # noqa: S314
        objects = [
            (o.findtext("name"), *(float(o.findtext(f"bndbox/{s}") or "nan") for s in SIDES))
            for o in xml.iter("object")
        ]
        found = [(b.label, b.x0, b.y0, b.x1, b.y1) for b in item.boxes]
        if not item.notes:
            assert found == objects
            compared += 1
        assert item.labels == sorted({label for label, *_ in found})
    assert compared >= 350


@pytest.mark.realdata
def test_blood_cells_have_the_boxes_of_their_table(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "blood_bccd"
    with books(root, tmp_path) as catalog:
        counts = find_annotations(catalog, 0, ["boxes"])
        items = _pictures(catalog)
    table: defaultdict[str, Counter[tuple[Any, ...]]] = defaultdict(Counter)
    with (root / "boxes.csv").open() as file:
        for row in csv.DictReader(file):
            four = (float(row[side]) for side in SIDES)
            table[f"JPEGImages/{row['filename']}"][row["cell_type"], *four] += 1
    assert counts.files["boxes"] == len(table) == 364
    good = {name: item for name, item in items.items() if not item.notes}
    assert len(good) >= 350
    for name, item in good.items():
        assert Counter((b.label, b.x0, b.y0, b.x1, b.y1) for b in item.boxes) == table[name]


SIDES = ("xmin", "ymin", "xmax", "ymax")


def _pictures(catalog: Catalog) -> dict[str, Item]:
    found = {}
    sql = "SELECT number, name, path FROM files WHERE role = '' AND name LIKE '%.jpg'"
    for row in list(catalog.rows(sql)):
        (item,) = read_images(row["path"])
        found[row["name"]] = apply_annotations(item, refs_of(catalog, row["number"]), "boxes")
    return found


@pytest.mark.realdata
def test_questions_of_vqa_rad_are_those_of_its_json(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "vqa_rad"
    expected: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in json.loads((root / "questions.json").read_text()):
        pair = (row["question"].strip(), str(row["answer"]).strip())
        expected[f"images/{row['image_name']}"].append(pair)
    with books(root, tmp_path) as catalog:
        counts = find_annotations(catalog, 0)
        found = {
            row["name"]: [tuple(json.loads(ref.key)[:2]) for ref in refs_of(catalog, row["number"])]
            for row in list(catalog.rows("SELECT number, name FROM files WHERE role = ''"))
        }
    there = {name: turns for name, turns in expected.items() if (root / name).is_file()}
    assert {name: turns for name, turns in found.items() if turns} == there
    assert counts.files == {"turns": len(there)}
    assert sum(map(len, found.values())) == sum(map(len, there.values()))


@pytest.mark.realdata
@pytest.mark.parametrize(
    "name",
    ["skin_ham10000_sample", "fundus_odir_sample", "ecg_ptbxl", "brain_mri_tumor", "dicom_mixed"],
)
def test_nothing_is_found_where_there_are_no_annotations(
    shared_data: Path, tmp_path: Path, name: str
) -> None:
    with books(shared_data / name, tmp_path) as catalog:
        assert find_annotations(catalog, 0) == Counts()


def test_many_annotations_are_found_in_little_memory(tmp_path: Path) -> None:
    import tracemalloc

    root = tmp_path / "data"
    picture(root / "a.png")
    with (root / "qa.jsonl").open("w") as file:
        for i in range(20_000):
            row = {"image": "a.png", "question": f"Is it {i}?", "answer": "yes"}
            file.write(json.dumps(row) + "\n")
    with books(root) as catalog:
        tracemalloc.start()
        find_annotations(catalog, 0)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert catalog.one("SELECT count(*) FROM annotations") == 20_000
    assert peak < 4_000_000
    assert sqlite3.sqlite_version_info >= (3, 24)


def test_pictures_of_documents_and_facts_of_datasets_are_no_samples(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for seed, name in enumerate(("a", "b", "c")):
        picture(root / "docs" / "images" / f"{name}.png", seed)
    rows = [{"text": "<image>", "images": ["images/a.png"]}, {"text": "x", "images": ["../b.png"]}]
    (root / "docs" / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (root / "train").mkdir()
    (root / "train" / "dataset_info.json").write_text('{"features": {}, "splits": {}}')
    with books(root) as catalog:
        assert find_annotations(catalog, 0) == Counts()
        assert roles(catalog) == {
            "docs/images/a.png": "companion",
            "docs/images/b.png": "",
            "docs/images/c.png": "",
            "docs/d.jsonl": "",
            "train/dataset_info.json": "annotation",
        }
