"""The dataset folder: opened when it is whole, refused with one sentence when it is not."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from dataset_files import CLASSES, picture, sample, write_dataset, write_samples
from PIL import Image
from sealing import reseal

from medfm_cli.data import (
    Dataset,
    LabelSchema,
    Quarantined,
    Sample,
    ShardWriter,
    read_card,
    write_manifest,
)
from medfm_cli.data.card import DatasetCard
from medfm_cli.errors import DataError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole") / "dataset"
    write_dataset(root, quarantine=[Quarantined(source="a", step="read", reason="no image")])
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return shutil.copytree(whole, tmp_path / "dataset")


def change_card(root: Path, **values: object) -> None:
    reseal(root / "dataset.json", **values)


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(data)


def test_it_opens_from_its_folder_and_from_its_run(whole: Path) -> None:
    assert Dataset.open(whole).version == Dataset.open(str(whole.parent)).version
    assert Dataset.open(whole).root == whole


def test_images_and_columns_come_back(whole: Path) -> None:
    dataset = Dataset.open(whole)
    assert len(dataset) == 20
    for row in (0, 7, 19, 3):
        np.testing.assert_array_equal(dataset.image(row), picture(row))
    assert dataset.column("subject_id")[:4] == ["subject-0", "subject-0", "subject-1", "subject-1"]
    assert dataset.sample_id(3) == dataset.column("sample_id")[3]
    assert dataset.quarantine.to_pylist()[0]["reason"] == "no image"


def test_colour_images(tmp_path: Path) -> None:
    write_dataset(tmp_path, 3, pixels=lambda number: picture(number, channels=3))
    np.testing.assert_array_equal(Dataset.open(tmp_path).image(2), picture(2, channels=3))


def test_rows_and_labels(whole: Path) -> None:
    dataset = Dataset.open(whole)
    assert dataset.classes == ["healthy", "ill"]
    assert dataset.labels()[:6].tolist() == [0, 1, 0, 1, -1, 1]
    train, test = dataset.rows("train"), dataset.rows("test")
    assert sorted([*train, *test]) == dataset.rows().tolist() == list(range(20))
    assert dataset.rows("val").size == 0
    assert test.tolist() == [4, 5, 10, 11, 16, 17]
    assert dataset.rows("test", labelled=True).tolist() == [5, 10, 11, 16, 17]
    with pytest.raises(ValueError, match="no split 'valid'"):
        dataset.rows("valid")


def test_the_card_counts(whole: Path) -> None:
    counts = read_card(whole).counts
    assert (counts.samples, counts.images, counts.subjects) == (20, 20, 10)
    assert counts.splits["test"].model_dump() == {"samples": 6, "images": 6, "subjects": 3}
    assert counts.labels == {"healthy": 8, "ill": 8}
    assert counts.modalities == {"XR": 20}


def test_the_same_input_gives_the_same_folder(whole: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path, quarantine=[Quarantined(source="a", step="read", reason="no image")])
    files = [path.relative_to(whole) for path in whole.rglob("*") if path.is_file()]
    assert len(files) > 4
    for name in files:
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes(), name


def test_the_version_does_not_depend_on_packing(whole: Path, tmp_path: Path) -> None:
    card = write_dataset(tmp_path, level=0, max_bytes=1 << 20)
    assert card.version == read_card(whole).version
    assert card.shards != read_card(whole).shards


def test_an_empty_dataset_is_still_one(tmp_path: Path) -> None:
    card = write_manifest(tmp_path, [], name="none", label_schema=LabelSchema(), shards=[])
    assert card.counts.samples == 0
    dataset = Dataset.open(tmp_path)
    dataset.verify()
    assert dataset.rows("train").size == 0


def test_verify_passes_what_is_whole(whole: Path) -> None:
    Dataset.open(whole).verify()


def test_verify_finds_one_changed_byte(root: Path) -> None:
    flip(root / "shards" / "shard-00001.tar", 700)
    dataset = Dataset.open(root)
    with pytest.raises(DataError, match=r"shard-00001\.tar is damaged"):
        dataset.verify()


def test_verify_finds_rows_under_another_version(root: Path) -> None:
    change_card(root, version="0" * 64)
    with pytest.raises(DataError, match="do not have the version"):
        Dataset.open(root).verify()


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        Dataset.open(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"not a dataset"):
        Dataset.open(tmp_path)
    with pytest.raises(DataError, match=r"no dataset\.json"):
        read_card(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ("{}", "is damaged: name"),
        ('{"format": 7}', "format 7; this medfm reads format 3"),
    ],
)
def test_a_broken_card(root: Path, text: str, said: str) -> None:
    (root / "dataset.json").write_text(text)
    with pytest.raises(DataError, match=said):
        Dataset.open(root)


def test_a_card_that_is_no_text(root: Path) -> None:
    (root / "dataset.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot read"):
        Dataset.open(root)


def test_a_card_with_an_unknown_key(root: Path) -> None:
    change_card(root, colour="blue")
    with pytest.raises(DataError, match="damaged: colour"):
        Dataset.open(root)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("label_schema", {"kind": "single", "classes": ["ill", "healthy"]}),
        ("cutting", {"tile": 8}),
        ("licences", ["CC0-1.0"]),
        ("checksum", ""),
        ("checksum", "0" * 64),
    ],
)
def test_a_card_that_was_changed_by_hand(root: Path, key: str, value: object) -> None:
    """Classes that change places fit every byte of the manifest and the shards."""
    path = root / "dataset.json"
    document = json.loads(path.read_text()) | {key: value}
    path.write_text(json.dumps(document))
    said = "has no checksum" if key == "checksum" and not value else "was changed after it was"
    with pytest.raises(DataError, match=said) as caught:
        read_card(root)
    assert "curate again" in str(caught.value.hint)


def test_the_version_depends_on_the_label_schema(root: Path, tmp_path: Path) -> None:
    """So swapped classes under a checksum that fits are found when all is verified."""
    swapped = LabelSchema(kind="single", classes=["ill", "healthy"])
    other = write_dataset(tmp_path / "other", label_schema=swapped)
    assert other.version != read_card(root).version
    change_card(root, label_schema=swapped.model_dump())
    with pytest.raises(DataError, match="do not have the version"):
        Dataset.open(root).verify()


def test_a_changed_quarantine(root: Path) -> None:
    flip(root / "quarantine.parquet", 100)
    dataset = Dataset.open(root)
    with pytest.raises(DataError, match=r"quarantine\.parquet is damaged"):
        _ = dataset.quarantine
    with pytest.raises(DataError, match=r"quarantine\.parquet is damaged"):
        dataset.verify()


def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(root: Path) -> None:
    (root / "samples.parquet").unlink()
    os.mkfifo(root / "samples.parquet")
    with pytest.raises(DataError, match=r"samples\.parquet: not a regular file"):
        Dataset.open(root)


def test_a_changed_manifest(root: Path) -> None:
    flip(root / "samples.parquet", 100)
    with pytest.raises(DataError, match=r"samples\.parquet is damaged or was changed"):
        Dataset.open(root)


def test_a_missing_manifest(root: Path) -> None:
    (root / "samples.parquet").unlink()
    with pytest.raises(DataError, match=r"cannot read .*samples\.parquet"):
        Dataset.open(root)


def test_a_manifest_with_other_columns(root: Path) -> None:
    path = root / "samples.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["site"]), path)
    change_card(root, manifest_sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(DataError, match="does not have the columns"):
        Dataset.open(root)


def test_a_manifest_of_a_version_without_some_attributes(root: Path) -> None:
    path = root / "samples.parquet"
    later = ["laterality", "scanner", "report_language", "target", "target_event"]
    pq.write_table(pq.read_table(path).drop_columns(later), path)
    change_card(root, manifest_sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    opened = Dataset.open(root)
    assert set(opened.column("laterality")) == {""}
    assert set(opened.column("target")) == {None}
    opened.verify()  # the version is that of the same rows


def test_a_missing_shard(root: Path) -> None:
    (root / "shards" / "shard-00001.tar").unlink()
    with pytest.raises(DataError, match=r"lacks its shard .*shard-00001\.tar"):
        Dataset.open(root)


def test_a_shard_cut_short(root: Path) -> None:
    os.truncate(root / "shards" / "shard-00000.tar", 1000)
    with pytest.raises(DataError, match=r"shard-00000\.tar is cut short .*: 1000 bytes"):
        Dataset.open(root)


def test_a_row_in_a_shard_that_the_card_does_not_know(root: Path) -> None:
    change_card(root, shards=json.loads((root / "dataset.json").read_text())["shards"][1:])
    with pytest.raises(DataError, match="and the card disagree"):
        Dataset.open(root)


def test_a_row_past_the_end_of_its_shard(tmp_path: Path) -> None:
    rows, shards = write_samples(tmp_path / "shards", range(4))
    rows[2] = dataclasses.replace(rows[2], offset=10_000_000)
    write_manifest(tmp_path, rows, name="toy", label_schema=CLASSES, shards=shards)
    with pytest.raises(DataError, match=f"sample {rows[2].sample_id} lies in no shard"):
        Dataset.open(tmp_path)


def test_a_damaged_image_names_its_sample(root: Path) -> None:
    dataset = Dataset.open(root)
    row = 5
    place = {name: dataset.column(name)[row] for name in ("shard", "offset", "length")}
    flip(root / "shards" / place["shard"], place["offset"] + place["length"] // 2)
    with pytest.raises(DataError, match=f"sample {dataset.sample_id(row)}: .* was changed after"):
        dataset.image(row)
    dataset.image(row + 1)


def test_an_image_replaced_by_another_of_the_same_length(root: Path) -> None:
    """Both are whole images, and the shard is as long as before."""
    dataset = Dataset.open(root)
    lengths = dataset.column("length")
    row, other = next(
        (a, b) for a in range(20) for b in range(a) if lengths[a] == lengths[b] and a != b
    )
    shard, offset = (dataset.column(name)[row] for name in ("shard", "offset"))
    data = bytearray((root / "shards" / shard).read_bytes())
    data[offset : offset + lengths[row]] = dataset.images.payload(other)
    (root / "shards" / shard).write_bytes(data)
    again = Dataset.open(root)  # by their lengths all is well
    with pytest.raises(DataError, match=f"cannot read sample {again.sample_id(row)}"):
        again.image(row)
    with pytest.raises(DataError, match="its sha256 is not the one in the card"):
        again.verify()


def test_a_row_is_checked_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[int] = []

    def counted(data: bytes) -> int:
        checked.append(len(data))
        return zlib.crc32(data)

    monkeypatch.setattr("medfm_cli.data.shards.zlib", SimpleNamespace(crc32=counted))
    dataset = Dataset.open(root)
    for _ in range(3):
        dataset.image(4)
        dataset.image(5)
    assert len(checked) == 2


def test_rows_without_a_checksum_are_decoded_all_the_same(tmp_path: Path) -> None:
    rows, shards = write_samples(tmp_path / "shards", range(2))
    rows = [dataclasses.replace(row, crc32=-1) for row in rows]
    write_manifest(tmp_path, rows, name="toy", label_schema=CLASSES, shards=shards)
    dataset = Dataset.open(tmp_path)
    flip(tmp_path / "shards" / "shard-00000.tar", rows[1].offset + rows[1].length // 2)
    np.testing.assert_array_equal(dataset.image(0), picture(0))
    with pytest.raises(DataError, match="its PNG is damaged"):
        dataset.image(1)


@pytest.mark.parametrize(
    ("image", "kind", "said"),
    [
        (Image.new("L", (9, 9)), "GIF", "its PNG is damaged"),
        (Image.new("I;16", (9, 9)), "PNG", "neither 8-bit grey nor colour, but I;16"),
        (Image.new("RGBA", (9, 9)), "PNG", "but RGBA"),
        (Image.new("P", (9, 9)), "PNG", "but P"),
    ],
)
def test_an_image_of_another_kind_is_refused(
    tmp_path: Path, image: Image.Image, kind: str, said: str
) -> None:
    """Pillow would open a GIF or an EPS as gladly; a shard holds 8-bit PNGs."""
    sink = io.BytesIO()
    image.save(sink, kind)
    with ShardWriter(tmp_path / "shards") as writer:
        place = writer.add("a", {"png": sink.getvalue()})
    rows = [sample(0, **place._asdict())]
    write_manifest(tmp_path, rows, name="toy", label_schema=CLASSES, shards=writer.finished)
    with pytest.raises(DataError, match=said):
        Dataset.open(tmp_path).image(0)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([sample(1), sample(1)], "occurs twice"),
        ([sample(1, split="valid")], "unknown split: valid"),
        ([sample(1, label="odd")], "unknown label: odd"),
    ],
)
def test_rows_that_cannot_be_are_a_bug(tmp_path: Path, rows: list[Sample], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        write_manifest(tmp_path, rows, name="toy", label_schema=CLASSES, shards=[])
    assert not list(tmp_path.iterdir())


def test_it_travels_to_other_processes(whole: Path) -> None:
    dataset = Dataset.open(whole)
    dataset.image(0)
    copy = pickle.loads(pickle.dumps(dataset))  # noqa: S301
    np.testing.assert_array_equal(copy.image(11), picture(11))
    images = pickle.loads(pickle.dumps(dataset.images))  # noqa: S301
    np.testing.assert_array_equal(images.image(11), picture(11))


def test_a_card_is_written_last(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted rewrite leaves no card beside a manifest that is not its own."""
    write_dataset(tmp_path, 4)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("medfm_cli.data.write.write_text", full)
    with pytest.raises(OSError, match="No space"):
        write_dataset(tmp_path, 5)
    with pytest.raises(DataError):
        Dataset.open(tmp_path)


def test_a_card_round_trips(whole: Path) -> None:
    card = read_card(whole)
    assert DatasetCard.model_validate_json(card.model_dump_json()) == card


def test_reading_a_card_needs_no_numpy(whole: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from medfm_cli.data import read_card;"
        "read_card(Path(sys.argv[1]));"
        "print([m for m in ('numpy', 'pyarrow', 'torch', 'PIL') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(whole)], check=True, capture_output=True, text=True
    )
    assert out.stdout.strip() == "[]"
