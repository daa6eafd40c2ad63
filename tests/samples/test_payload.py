"""Every kind of sample comes back from a shard as it went in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
from dataset_files import CLASSES, sample

from medfm_cli.data import Dataset, ShardWriter, write_manifest
from medfm_cli.data.shards import member_places
from medfm_cli.errors import DataError
from medfm_cli.samples import payload
from medfm_cli.samples.content import (
    KINDS,
    Audio,
    Content,
    Image2D,
    Row,
    Series,
    Signal,
    Text,
    Video,
    Volume,
    content_sha,
)
from medfm_cli.samples.payload import decode, encode, extension

RNG = np.random.default_rng(0)
WAVES = RNG.normal(size=(3, 50)).astype(np.float32)
GREYS = RNG.integers(0, 256, (5, 8, 9), dtype=np.uint8)
GAPS = np.where(RNG.random((2, 4)) < 0.5, np.nan, 1.5).astype(np.float32)
EVERY: list[Content] = [
    Image2D(GREYS[0]),
    Image2D(RNG.integers(0, 256, (8, 9, 3), dtype=np.uint8)),
    Volume(RNG.integers(-1000, 1000, (4, 8, 9)).astype(np.int16), (5.0, 0.7, 0.7), "HU"),
    Volume(GREYS),
    Video(GREYS, 12.5),
    Signal(WAVES, 100.0, ("I", "II", "V1"), ("mV", "mV", "mV")),
    Audio(WAVES[:1], 4000.0),
    Series(GAPS, np.arange(4) / 3, ("HR", "pH"), ("bpm", ""), ("vitals", "labs"), {"Age": 61.0}),
    Row({"age": 61.0, "sex": "F", "empty": None}),
    Text("Kein Befund. ✓"),
]


def test_these_are_all_kinds() -> None:
    assert {content.kind for content in EVERY} == set(KINDS)


@pytest.mark.parametrize("content", EVERY, ids=lambda c: c.kind)
def test_a_sample_comes_back(content: Content) -> None:
    members = encode(content)
    meta = json.loads(json.dumps(content.meta))
    back = decode(content.kind, members[extension(content.kind)], meta)
    assert type(back) is type(content)
    assert back.meta == content.meta
    np.testing.assert_array_equal(back.array, content.array)
    assert content_sha(back) == content_sha(content)


@pytest.mark.parametrize("content", EVERY, ids=lambda c: c.kind)
def test_damage_is_an_error_of_ours(content: Content) -> None:
    (data,) = encode(content).values()
    if content.kind != "text":  # any bytes are some text, or fail as bad UTF-8
        with pytest.raises(DataError, match="damaged"):
            decode(content.kind, data[: len(data) // 2], content.meta)


def test_the_facts_without_which_numbers_mean_nothing_are_part_of_the_hash() -> None:
    assert content_sha(Signal(WAVES, 100.0)) != content_sha(Signal(WAVES, 500.0))
    assert content_sha(Signal(WAVES, 100.0)) != content_sha(Audio(WAVES, 100.0))
    assert content_sha(Volume(GREYS)) != content_sha(Video(GREYS))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("flat", [True, False])
def test_masks_and_further_pictures(tmp_path: Path, kind: Any, flat: bool) -> None:
    mask = RNG.integers(0, 3, (8, 9) if flat else (5, 8, 9)).astype(kind)
    content = Image2D(GREYS[0]) if flat else Volume(GREYS)
    members = encode(content, mask=mask, pictures=[Image2D(GREYS[1])] if flat else [])
    with ShardWriter(tmp_path / "shards") as writer:
        writer.add("before", {"png": b"x" * 700})
        place = writer.add("it", members)
    places = member_places(place, {name: len(data) for name, data in members.items()})
    row = sample(0, kind=content.kind, members=json.dumps(places), **place._asdict())
    write_manifest(tmp_path, [row], name="x", label_schema=CLASSES, shards=writer.finished)
    dataset = Dataset.open(tmp_path)
    np.testing.assert_array_equal(dataset.mask(0), mask)
    np.testing.assert_array_equal(dataset.content(0).array, content.array)
    assert dataset.members(0) == members


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # its open file
def test_webdataset_decodes_what_is_stored(tmp_path: Path) -> None:
    with ShardWriter(tmp_path) as writer:
        for number, content in enumerate(EVERY):
            writer.add(f"{number}", encode(content))
    url = str(tmp_path / writer.finished[0].name)
    found = list(webdataset.WebDataset(url, shardshuffle=False).decode("rgb8"))
    np.testing.assert_array_equal(found[5]["npy"], WAVES)
    assert found[9]["txt"] == "Kein Befund. ✓"
    assert found[8]["row.json"] == {"age": 61.0, "sex": "F", "empty": None}


def test_a_dataset_without_pictures_says_what_it_holds(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "shards") as writer:
        place = writer.add("a", encode(EVERY[5]))
    row = sample(0, kind="signal", meta=json.dumps(EVERY[5].meta), **place._asdict())
    write_manifest(tmp_path, [row], name="ecg", label_schema=CLASSES, shards=writer.finished)
    dataset = Dataset.open(tmp_path)
    assert len(dataset.rows(kind="signal")) == len(dataset.rows(kind=None)) == 1
    with pytest.raises(DataError, match="holds no image: its samples are 1 of kind signal"):
        dataset.rows()


def test_an_array_whose_header_another_thread_disturbed_is_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As Python 3.11 does it, rarely: the parser of headers says SystemError."""
    load, calls = np.load, []

    def disturbed(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) < 3:
            raise SystemError("AST constructor recursion depth mismatch")
        return load(*arguments, **options)

    monkeypatch.setattr(np, "load", disturbed)
    assert (payload.load_npy(payload.npy(np.arange(5))) == np.arange(5)).all()
    assert len(calls) == 3
