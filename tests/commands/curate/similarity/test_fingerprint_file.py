"""Fingerprints beside the manifest: written as they come, read as they were."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medfm_cli.commands.curate.similarity.fingerprint_file import (
    CHUNK,
    FINGERPRINTS_FILE,
    Seen,
    has_fingerprints,
    key_of,
    read_fingerprints,
    write_fingerprints,
)
from medfm_cli.errors import DataError


def rows(count: int) -> list[Seen]:
    return [Seen(f"{n:016x}", n * 7919 % 2**63, bytes([n % 256]) * 1024) for n in range(count)]


@pytest.mark.parametrize("count", [0, 3, CHUNK + 5])
def test_what_is_written_is_read(count: int, tmp_path: Path) -> None:
    assert write_fingerprints(tmp_path, iter(rows(count)), key="mine") == count
    assert list(read_fingerprints(tmp_path)) == rows(count)
    assert has_fingerprints(tmp_path)
    assert key_of(tmp_path) == "mine"


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_fingerprints(tmp_path / name, rows(9), key="mine")
    one, other = ((tmp_path / name / FINGERPRINTS_FILE).read_bytes() for name in "ab")
    assert one == other


def test_a_dataset_without_them(tmp_path: Path) -> None:
    assert not has_fingerprints(tmp_path)
    assert key_of(tmp_path) is None


def test_fingerprints_of_another_method_are_none(tmp_path: Path) -> None:
    write_fingerprints(tmp_path, rows(2), key="")
    path = tmp_path / FINGERPRINTS_FILE
    pq.write_table(pq.read_table(path).replace_schema_metadata({"method": "phash9"}), path)
    assert not has_fingerprints(tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FINGERPRINTS_FILE).write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=FINGERPRINTS_FILE):
        list(read_fingerprints(tmp_path))
    with pytest.raises(DataError, match=FINGERPRINTS_FILE):
        has_fingerprints(tmp_path)
    pq.write_table(pa.table({"image_id": ["a"]}), tmp_path / FINGERPRINTS_FILE)
    with pytest.raises(DataError, match="no fingerprints"):
        list(read_fingerprints(tmp_path))
