"""Tars, Parquet, Arrow and interleaved documents: many samples in one file."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset
from curate_files import noise, picture
from PIL import Image

from medfm_cli.readers import Item, ReadOptions, Unreadable, find_reader, sniff
from medfm_cli.readers.item import Box, Turn
from medfm_cli.readers.memory import as_file
from medfm_cli.readers.records.documents import NoDocumentError, document_of
from medfm_cli.readers.tables import tar_index
from medfm_cli.samples import payload
from medfm_cli.samples.content import Audio, Content, Image2D, Row, Signal, Text, Volume


def read(path: Path, **options: Any) -> tuple[list[Item], list[Unreadable]]:
    found = list(sniff(path).read(path, ReadOptions(**options)))
    good = [item for item in found if isinstance(item, Item)]
    return good, [item for item in found if isinstance(item, Unreadable)]


def png(pixels: Any) -> bytes:
    return payload.png(pixels)


def jpeg(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(noise(seed)).save(buffer, "JPEG")
    return buffer.getvalue()


def tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


# WebDataset


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the peer leaves its files open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_tar_of_webdataset_is_read_as_it_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "shard.tar"
    with webdataset.TarWriter(str(path)) as writer:
        for i in range(5):
            told = {"patient_id": f"P{i % 2}", "caption": f"the {i}th", "age": 40 + i}
            sample = {"__key__": f"a/{i:03}", "png": noise(i), "cls": i % 3, "json": told}
            writer.write(sample)
    peer = webdataset.WebDataset(str(path), shardshuffle=False, empty_check=False)
    expected = [(np.asarray(Image.open(io.BytesIO(s["png"]))), s["cls"].decode()) for s in peer]
    good, bad = read(path)
    assert not bad
    assert len(good) == len(expected) == find_reader("webdataset").count(path)  # type: ignore[misc]
    for i, (item, (pixels, label)) in enumerate(zip(good, expected, strict=True)):
        assert (item.pixels == pixels).all()
        assert (item.label, item.subject, item.text) == (label, f"P{i % 2}", f"the {i}th")
        assert (item.age, item.part) == (40.0 + i, str(i))


SPOKEN = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "A lung."}]


def test_members_of_every_kind(tmp_path: Path) -> None:
    region = np.zeros((40, 48), np.uint8)
    region[3:9, 4:7] = 2
    members = {
        "1.jpg": jpeg(1),
        "1.seg.png": png(region),
        "1.txt": "caption ü".encode(),
        "2.txt": b"only a text",
        "2.cls": b"7\n",
        "3.0.png": png(noise(2)),
        "3.10.png": png(noise(4)),
        "3.1.png": png(noise(3)),
        "4.jpg": jpeg(5),
        "4.json": json.dumps({"conversations": SPOKEN, "labels": ["x", "y"]}).encode(),
    }
    good, bad = read(tar(tmp_path / "t.tar", members))
    assert not bad
    one, two, three, four = good
    assert one.text == "caption ü"
    assert one.mask is not None
    assert (one.mask == region).all()
    assert isinstance(two.content, Text)
    assert (two.content.text, two.label, two.text) == ("only a text", "7", "")
    assert (three.pixels == noise(2)).all()
    assert all((p.pixels == noise(s)).all() for p, s in zip(three.pictures, (3, 4), strict=True))
    assert four.turns == (Turn("What?", "A lung."),)
    assert (four.label, four.labels) == (None, ["x", "y"])


OWN: list[tuple[Content, dict[str, Any]]] = [
    (Image2D(noise(1)), {"label": "a", "boxes": [["cell", 1.0, 2.0, 3.0, 4.0]]}),
    (Volume(np.arange(24, dtype=np.int16).reshape(2, 3, 4), (1.0, 2.0, 3.0), "HU"), {}),
    (Signal(np.ones((2, 9), np.float32), 100.0, ("I", "II"), ("mV", "mV")), {"label": ["a", "b"]}),
    (Audio(np.zeros((1, 9), np.float32), 4000.0), {"text": "a sound"}),
    (Row({"a": 1.0, "b": None, "c": "ü"}), {"subject": "s"}),
    (Text("a report"), {"turns": [["Is it?", "yes", {"kind": "closed"}]]}),
]


def test_what_medfm_wrote_comes_back(tmp_path: Path) -> None:
    members: dict[str, bytes] = {}
    for number, (content, told) in enumerate(OWN):
        for ending, data in payload.encode(content).items():
            members[f"{number:03}.{ending}"] = data
        more = {"kind": content.kind} if content.kind != "image" else {}
        more |= {"meta": content.meta} if content.meta else {}
        members[f"{number:03}.json"] = json.dumps(more | told).encode()
    good, bad = read(tar(tmp_path / "t.tar", members), whole=True)
    assert not bad
    for item, (content, _) in zip(good, OWN, strict=True):
        assert item.content.kind == content.kind
        assert item.content.meta == content.meta
        assert (item.content.array == content.array).all()
        assert item.content.array.dtype == content.array.dtype
    assert good[0].boxes == (Box("cell", 1, 2, 3, 4),)
    assert good[2].labels == ["a", "b"]
    assert good[3].text == "a sound"
    assert good[4].subject == "s"
    assert good[5].turns == (Turn("Is it?", "yes", {"kind": "closed"}),)


def test_samples_that_are_none_cost_only_themselves(tmp_path: Path) -> None:
    path = tmp_path / "t.tar"
    with tarfile.open(path, "w") as archive:
        for name, data in {
            "1.png": png(noise(1)),
            "2.png": b"damaged",
            "3": b"no ending",
            "4.pth": b"\x80\x04\x95",
            "6.png": png(noise(1)),
            "6.json": b"{",
            "7.png": png(noise(2)),
        }.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("8.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    good, bad = read(path)
    assert [item.part for item in good] == ["0", "5"]
    assert [b.reason for b in bad] == [
        "sample 2: no known format: text",
        "sample 3: a member without an ending",
        "sample 4: no readable member: pth",
        "sample 5: a damaged .json member",
        "sample 7: a link or device in the archive, which is never followed",
    ]


@pytest.mark.parametrize("cut", [700, 1536, 5000])
def test_a_tar_that_breaks_off_gives_what_came_before(tmp_path: Path, cut: int) -> None:
    whole = tar(tmp_path / "t.tar", {f"{i}.png": png(noise(i)) for i in range(6)}).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:cut])
    good, bad = read(tmp_path / "cut.tar")
    assert len(good) == max(0, (cut - 512) // 2560)
    assert bad
    assert tar_index.count(tmp_path / "cut.tar") == len(good) + len(bad)


def test_a_bomb_is_passed_over_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar_index, "LARGEST", 10_000)
    members = {"1.png": png(noise(1)), "2.png": bytes(20_000), "3.png": png(noise(3))}
    good, bad = read(tar(tmp_path / "t.tar", members))
    assert [item.part for item in good] == ["0", "2"]
    assert len(bad) == 1


def test_ranges_of_a_tar_are_the_same_samples_as_one_reading(tmp_path: Path) -> None:
    names = {f"{i:05}.txt": f"text {i}".encode() for i in range(1300)}
    path = tar(tmp_path / "t.tar", names | {f"{i:05}.cls": b"1" for i in range(1300, 1310)})
    whole, bad = read(path)
    assert (len(whole), len(bad)) == (1300, 10)
    parts = [read(path, items=(low, low + 400))[0] for low in range(0, 1310, 400)]
    again = [item for part in parts for item in part]
    assert [item.content.text for item in again if isinstance(item.content, Text)] == [
        f"text {i}" for i in range(1300)
    ]
    assert [item.part for item in again] == [item.part for item in whole]


# Parquet and Arrow


def image_table(count: int = 5, *, names: list[str] | None = None) -> Any:
    rows = {
        "image": [{"bytes": png(noise(i)), "path": f"{i}.png"} for i in range(count)],
        "label": [i % 2 for i in range(count)],
        "patient_id": [f"P{i}" for i in range(count)],
        "age": [30 + i for i in range(count)],
    }
    table = pa.table(rows)
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    info = json.dumps({"info": {"features": features}})
    return table.replace_schema_metadata({"huggingface": info}) if names else table


def write_arrow(path: Path, table: Any, *, stream: bool = True, rows: int = 2) -> Path:
    opened = pa.ipc.new_stream if stream else pa.ipc.new_file
    with path.open("wb") as file, opened(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    return path


@pytest.mark.parametrize("form", ["parquet", "arrow stream", "arrow file"])
@pytest.mark.parametrize("names", [None, ["healthy", "ill"]])
def test_pictures_in_columns(tmp_path: Path, form: str, names: list[str] | None) -> None:
    path = tmp_path / "data"
    table = image_table(names=names)
    if form == "parquet":
        pq.write_table(table, path, row_group_size=2)
    else:
        write_arrow(path, table, stream=form == "arrow stream")
    good, bad = read(path)
    assert not bad
    reader = sniff(path)
    assert reader.count is not None
    assert reader.count(path) == 5
    for i, item in enumerate(good):
        assert (item.pixels == noise(i)).all()
        assert item.label == (names or ["0", "1"])[i % 2]
        assert (item.subject, item.age, item.part) == (f"P{i}", 30.0 + i, str(i + 1))
    ranged = [item for low in (0, 3) for item in read(path, items=(low, low + 3))[0]]
    assert [item.part for item in ranged] == [item.part for item in good]


def test_the_names_of_classes_may_stand_beside_the_file(tmp_path: Path) -> None:
    table = image_table()
    info = {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    good, _ = read(write_arrow(tmp_path / "data-00000.arrow", table))
    assert [item.label for item in good] == ["no", "yes", "no", "yes", "no"]


@pytest.mark.parametrize("arrow", [True, False])
def test_texts_cells_and_several_pictures_in_columns(tmp_path: Path, arrow: bool) -> None:
    def written(name: str, table: Any) -> Path:
        if arrow:
            return write_arrow(tmp_path / name, table)
        pq.write_table(table, tmp_path / name)
        return tmp_path / name

    sentence = "the heart is of normal size and the lungs are clear on both sides"
    texts = pa.table({"report": [sentence, None], "label": ["a", "b"]})
    good, bad = read(written("texts", texts))
    assert [(i.content.text, i.label) for i in good if isinstance(i.content, Text)] == [
        (sentence, "a")
    ]
    assert [b.reason for b in bad] == ["row 2: an empty report"]
    cells = pa.table({"a": [1.5, None], "b": ["x", ""], "c": [[1, 2], []], "subject": ["P", "Q"]})
    good, _ = read(written("cells", cells))
    assert [i.content.cells for i in good if isinstance(i.content, Row)] == [
        {"a": 1.5, "b": "x", "c": "[1, 2]"},
        {"a": None, "b": None, "c": "[]"},
    ]
    several = pa.table(
        {"images": [[{"bytes": png(noise(i)), "path": None} for i in range(3)]], "text": ["a b c"]}
    )
    good, _ = read(written("several", several))
    assert (good[0].pixels == noise(0)).all()
    assert [(p.pixels == noise(i + 1)).all() for i, p in enumerate(good[0].pictures)] == [True] * 2
    outside = pa.table({"image": [{"bytes": b"", "path": "/etc/passwd"}]})
    good, bad = read(written("outside", outside))
    assert [b.reason for b in bad] == ["row 1: no image or audio in it, only a path"]


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_damaged_columns_are_refused_and_never_crash(tmp_path: Path, form: str) -> None:
    path = tmp_path / "whole"
    table = image_table(8, names=["a", "b"])
    pq.write_table(table, path) if form == "parquet" else write_arrow(path, table)
    whole = path.read_bytes()
    dice = np.random.default_rng(0)
    for trial in range(60):
        data = bytearray(whole)
        if trial % 3:
            for place in dice.integers(8, len(data), 4):
                data[place] ^= 1 << int(dice.integers(8))
        else:
            del data[int(dice.integers(8, len(data))) :]
        path.write_bytes(data)
        try:
            reader = sniff(path)
            assert len(list(reader.read(path, ReadOptions()))) <= 8
        except Unreadable:
            continue


# Interleaved documents

DOCUMENTS: list[tuple[dict[str, Any], tuple[str, list[str]]]] = [
    (
        {
            "text_list": ["One.", "Two."],
            "image_info": [
                {"image_name": "b.png", "matched_text_index": 1},
                {"image_name": "a.png", "matched_text_index": 0},
            ],
        },
        ("<image>\nOne.\n<image>\nTwo.", ["a.png", "b.png"]),
    ),
    (
        {"images": [None, "a.png", None, "b.png"], "texts": ["One.", None, "Two.", None]},
        ("One.\n<image>\nTwo.\n<image>", ["a.png", "b.png"]),
    ),
    (
        {"text": "See <image> and <image>.", "images": ["a.png", {"path": "b.png"}]},
        ("See <image> and <image>.", ["a.png", "b.png"]),
    ),
    (
        {"text": ["One <image>", "Two"], "images": ["a.png"]},
        ("One <image>\nTwo", ["a.png"]),
    ),
    (
        {"content": [{"type": "image", "image": "a.png"}, {"type": "text", "text": "So."}]},
        ("<image>\nSo.", ["a.png"]),
    ),
    ({"image": "a.png", "caption": "A lung."}, ("A lung.", ["a.png"])),
    ({"text": "No picture.", "images": []}, ("No picture.", [])),
]


@pytest.mark.parametrize(("cells", "expected"), DOCUMENTS)
def test_every_layout_of_a_document(cells: dict[str, Any], expected: tuple[str, list[str]]) -> None:
    assert document_of(cells) == expected


@pytest.mark.parametrize(
    "cells", [{"text": "", "images": []}, {"text": "<image>", "images": ["a", "b"]}, {}]
)
def test_what_is_no_document(cells: dict[str, Any]) -> None:
    with pytest.raises(NoDocumentError):
        document_of(cells)


def test_documents_have_their_pictures_and_only_those_of_their_folder(tmp_path: Path) -> None:
    root = tmp_path / "data"
    picture(root / "images" / "a.png", 1)
    picture(root / "images" / "b.png", 2)
    picture(tmp_path / "secret.png", 3)
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    rows: list[Any] = [
        {"text": "See <image> and <image>.", "images": ["images/a.png", "images\\b.png"]},
        {"text": "<image>", "images": ["../secret.png"]},
        {"text": "<image>", "images": [str(tmp_path / "secret.png")]},
        {"text": "<image>", "images": ["link.png"]},
        {"text": "<image>", "images": ["https://example.org/a.png"]},
        {"text": "<image>", "images": ["gone.png"]},
        {"text": "Only text.", "images": []},
        {"text": "<image>", "images": ["x" * 5000]},
    ]
    path = root / "documents.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\nbroken\n")
    assert sniff(path).name == "interleaved"
    good, bad = read(path)
    first, second = good
    assert (first.pixels == noise(1)).all()
    assert (first.pictures[0].pixels == noise(2)).all()
    assert (first.text, first.part) == ("See <image> and <image>.", "1")
    assert isinstance(second.content, Text)
    assert [b.reason for b in bad] == [
        "row 2: an image outside of the source",
        "row 3: an image outside of the source",
        "row 4: an image outside of the source",
        "row 5: an image that is not in the source, but elsewhere",
        "row 6: an image file that is missing",
        "row 8: an image file that is missing",
        "row 9 (line 9): not a JSON object",
    ]


def test_bytes_are_read_like_a_file_and_leave_nothing(tmp_path: Path) -> None:
    with as_file(b"abc") as path:
        assert path.read_bytes() == b"abc"
        assert path.stat().st_size == 3
    assert not path.exists()
