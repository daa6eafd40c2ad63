"""The manifest: its version names the content, and nothing but the content."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from dataset_files import CLASSES, sample
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.data import LabelSchema, Quarantined, Sample, source_digest
from medfm_cli.data.manifest import (
    LAYOUT,
    SAMPLES_SCHEMA,
    ParquetRows,
    content_version,
    quarantine_table,
    samples_table,
)

ROWS = [sample(number) for number in range(5)]
CHANGES: dict[str, Any] = {
    "labels": ["a", "b"],
    "text": "no finding",
    "label": "ill",
    "height": 99,
    "width": 99,
    "channels": 3,
    "age": 44.0,
    "target": 1.5,
    "target_event": False,
    "shape": [1, 2],
}


def version(rows: list[Sample], labels: LabelSchema = CLASSES) -> str:
    return content_version(samples_table(rows), labels)


def test_columns_are_the_contracts() -> None:
    assert SAMPLES_SCHEMA.names == [
        *("sample_id", "image_id", "subject_id", "study_id", "site", "split", "client", "origin"),
        *("kind", "modality", "anatomy", "label", "labels", "text", "turns", "boxes", "time"),
        *("age", "sex", "laterality", "scanner", "report_language", "target", "target_event"),
        *("cluster", "shape", "height", "width", "channels", "meta", "facts"),
        *("source", "source_sha256", "shard", "offset", "length", "members", "crc32"),
    ]


@pytest.mark.parametrize("column", [item.name for item in dataclasses.fields(Sample)])
def test_the_version_changes_with_every_column_but_the_layout(column: str) -> None:
    value = CHANGES.get(column, 12345 if column in ("offset", "length", "crc32") else "other")
    changed = [dataclasses.replace(ROWS[0], **{column: value}), *ROWS[1:]]
    assert (version(changed) == version(ROWS)) == (column in LAYOUT)


def test_the_version_changes_with_order_and_classes() -> None:
    assert version(ROWS[::-1]) != version(ROWS)
    assert version(ROWS, LabelSchema(kind="single", classes=["ill", "healthy"])) != version(ROWS)


def test_the_version_is_this_one_for_ever() -> None:
    """A dataset must keep its version when medfm, pyarrow or Python become newer."""
    row = sample(0, sample_id="0011223344556677", image_id="0011223344556677", text="é")
    assert version([row]) == "5a79cb6af5f3d64e000c34c72c020cd1c1a1ebc7ae99862768ae729b8fb87858"


def test_text_cannot_pass_for_another_column() -> None:
    one = dataclasses.replace(ROWS[0], site='a","b', anatomy="")
    two = dataclasses.replace(ROWS[0], site="a", anatomy='b"')
    assert version([one]) != version([two])


@given(
    st.lists(
        st.builds(
            sample,
            st.integers(0, 99),
            text=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
            labels=st.none() | st.lists(st.sampled_from("abc")),
        ),
        max_size=8,
    )
)
def test_rows_come_back_from_parquet(rows: list[Sample]) -> None:
    import pyarrow.parquet as pq

    table = samples_table(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        ParquetRows(path, SAMPLES_SCHEMA).write(rows)
        back = pq.read_table(path)
    assert back.schema.equals(SAMPLES_SCHEMA)
    assert [Sample(**row) for row in back.to_pylist()] == rows
    assert content_version(back, CLASSES) == content_version(table, CLASSES)


def parquet(folder: Path, rows: Iterable[Sample]) -> bytes:
    writer = ParquetRows(folder / "rows.parquet", SAMPLES_SCHEMA)
    writer.write(rows)
    data = writer.path.read_bytes()
    assert writer.sha256 == hashlib.sha256(data).hexdigest()
    return data


def test_parquet_is_the_same_every_time_and_for_a_generator(tmp_path: Path) -> None:
    assert parquet(tmp_path, iter(ROWS)) == parquet(tmp_path, ROWS)


def test_chunks_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = samples_table(ROWS)
    monkeypatch.setattr("medfm_cli.data.manifest.CHUNK", 2)
    parts = samples_table(ROWS)
    assert content_version(parts, CLASSES) == content_version(whole, CLASSES)


def test_quarantine_rows() -> None:
    rows = [Quarantined(source="a.dcm", step="read", reason="no pixels", frame=1)]
    assert [Quarantined(**row) for row in quarantine_table(rows).to_pylist()] == rows
    assert quarantine_table([]).num_rows == 0


def test_source_digest_does_not_know_order_or_repetition() -> None:
    assert source_digest(["b", "a", "b"]) == source_digest(["a", "b"]) != source_digest(["a"])
