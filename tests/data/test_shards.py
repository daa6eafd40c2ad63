"""Shards: plain tars that others read, the same bytes every time, never half a file."""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import os
import pickle
import tarfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dataset_files import read_all, write_samples
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.data import Location, ShardReader, ShardWriter, shards
from medfm_cli.errors import DataError


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def fill(writer: ShardWriter, numbers: range, *, size: int = 700) -> list[Location]:
    return [writer.add(f"k{n:03d}", {"png": bytes([n]) * size, "json": b"{}"}) for n in numbers]


def test_tarfile_finds_what_was_written(tmp_path: Path) -> None:
    with ShardWriter(tmp_path) as writer:
        location = writer.add("a1", {"png": b"pixels", "json": b'{"label": 1}'})
    with tarfile.open(tmp_path / location.shard) as tar:
        members = {m.name: (m.offset_data, m.size, m.mtime, m.uid, m.uname) for m in tar}
        assert tar.extractfile("a1.json").read() == b'{"label": 1}'  # type: ignore[union-attr]
    assert members["a1.png"] == (location.offset, location.length, 0, 0, "")


def test_webdataset_reads_the_same_samples(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    rows, finished = write_samples(tmp_path, range(12))
    urls = [str(tmp_path / shard.name) for shard in finished]
    assert len(urls) > 1
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        found = list(webdataset.WebDataset(urls, shardshuffle=False, empty_check=False))
        gc.collect()  # it leaves its files open
    reader = ShardReader(tmp_path)
    assert [item["__key__"] for item in found] == [row.sample_id for row in rows]
    assert [item["png"] for item in found] == [
        reader.read(row.shard, row.offset, row.length) for row in rows
    ]
    assert all(b'"subject"' in item["json"] for item in found)


def test_the_same_samples_give_the_same_bytes(tmp_path: Path) -> None:
    write_samples(tmp_path / "a", range(12))
    write_samples(tmp_path / "b", range(12))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_finished_shards_carry_size_and_hash(tmp_path: Path) -> None:
    _, finished = write_samples(tmp_path, range(12))
    for shard in finished:
        data = (tmp_path / shard.name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (shard.bytes, shard.sha256)
        assert shard.bytes <= 8192
    assert sum(shard.samples for shard in finished) == 12


@given(sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=20), limit=st.integers(1, 9000))
def test_every_payload_is_where_it_is_said_to_be(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], limit: int
) -> None:
    folder = tmp_path_factory.mktemp("shards")
    payloads = [os.urandom(size) for size in sizes]
    with ShardWriter(folder, max_bytes=limit) as writer:
        places = [writer.add(f"k{n}", {"png": p, "json": b"x"}) for n, p in enumerate(payloads)]
    reader = ShardReader(folder)
    assert [reader.read(*place) for place in places] == payloads
    assert sum(shard.samples for shard in writer.finished) == len(payloads)


def test_a_sample_larger_than_a_shard_has_one_to_itself(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, max_bytes=4096) as writer:
        sizes = {"a": 9, "b": 9999, "c": 9}
        places = [writer.add(key, {"png": bytes(size)}) for key, size in sizes.items()]
    assert [place.shard[6:11] for place in places] == ["00000", "00001", "00002"]


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_resuming_gives_the_bytes_of_an_uninterrupted_run(tmp_path: Path, finished: int) -> None:
    with ShardWriter(tmp_path / "whole", max_bytes=8192) as writer:
        places = fill(writer, range(20))
    whole = writer.finished
    assert len(whole) > finished
    with ShardWriter(tmp_path / "parts", max_bytes=8192) as writer:
        fill(writer, range(20))
    (tmp_path / "parts" / "shard-00002.tar.tmp").write_bytes(b"left by a killed process")
    done = sum(shard.samples for shard in whole[:finished])
    with ShardWriter(tmp_path / "parts", max_bytes=8192, start=finished) as writer:
        assert fill(writer, range(done, 20)) == places[done:]
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert whole[:finished] + writer.finished == whole


def test_an_error_leaves_only_finished_shards(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), ShardWriter(tmp_path, max_bytes=4096) as writer:
        fill(writer, range(5))
        raise RuntimeError
    assert writer.finished
    assert [path.name for path in sorted(tmp_path.iterdir())] == [s.name for s in writer.finished]


def test_a_full_disk_leaves_no_partial_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"), ShardWriter(tmp_path) as writer:
        fill(writer, range(3))
        monkeypatch.setattr(shards.os, "fsync", full)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", ["", "a.b", "a/b", "__meta"])
def test_keys_that_webdataset_would_cut_are_refused(tmp_path: Path, key: str) -> None:
    with ShardWriter(tmp_path) as writer, pytest.raises(ValueError, match="key"):
        writer.add(key, {"png": b""})


@pytest.mark.parametrize("members", [{}, {"": b""}, {"a/b": b""}, {"PNG": b""}])
def test_members_that_would_not_come_back_are_refused(
    tmp_path: Path, members: dict[str, bytes]
) -> None:
    with ShardWriter(tmp_path) as writer, pytest.raises(ValueError):
        writer.add("a", members)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"shard-00007\.tar is missing"):
        ShardReader(tmp_path).read("shard-00007.tar", 0, 1)


def test_a_shard_cut_short_is_named(tmp_path: Path) -> None:
    with ShardWriter(tmp_path) as writer:
        place = fill(writer, range(1))[0]
    os.truncate(tmp_path / place.shard, place.offset + 10)
    with pytest.raises(DataError, match=r"shard-00000\.tar is cut short"):
        ShardReader(tmp_path).read(*place)


def test_more_shards_than_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "OPEN_SHARDS", 2)
    with ShardWriter(tmp_path, max_bytes=1) as writer:
        places = fill(writer, range(6))
    reader = ShardReader(tmp_path)
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(2):
        for number, place in enumerate(places):
            reader.announce(*place)
            assert reader.read(*place) == bytes([number]) * 700
    assert len(list(Path("/dev/fd").iterdir())) - before <= 2


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_share_a_reader(tmp_path: Path, method: str) -> None:
    with ShardWriter(tmp_path, max_bytes=8192) as writer:
        places = fill(writer, range(20))
    reader = ShardReader(tmp_path)
    expected = read_all(reader, places)
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.starmap(read_all, [(reader, places)] * 4)
    assert set(found) == {expected} == {read_all(reader, places)}


def test_threads_share_a_reader(tmp_path: Path) -> None:
    with ShardWriter(tmp_path, max_bytes=4096) as writer:
        places = fill(writer, range(20))
    expected = read_all(ShardReader(tmp_path), places)
    reader = ShardReader(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: read_all(reader, places), range(16))) == {expected}


def test_a_pickled_reader_opens_its_own_files(tmp_path: Path) -> None:
    with ShardWriter(tmp_path) as writer:
        place = fill(writer, range(1))[0]
    reader = ShardReader(tmp_path)
    reader.read(*place)
    copy = pickle.loads(pickle.dumps(reader))  # noqa: S301
    reader.close()
    assert copy.read(*place) == reader.read(*place)
