"""The manifest: its version names the content, and nothing but the content."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from dataset_files import CLASSES, sample
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.data import LabelSchema, Quarantined, Sample, source_digest
from medfm_cli.data.manifest import (
    LAYOUT,
    SAMPLES_SCHEMA,
    content_version,
    parquet_bytes,
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
}


def version(rows: list[Sample], labels: LabelSchema = CLASSES) -> str:
    return content_version(samples_table(rows), labels)


def test_columns_are_the_contracts() -> None:
    assert SAMPLES_SCHEMA.names == [
        *("sample_id", "image_id", "subject_id", "study_id", "site", "split", "modality"),
        *("anatomy", "label", "labels", "text", "height", "width", "channels", "facts"),
        *("source", "source_sha256", "shard", "offset", "length"),
    ]


@pytest.mark.parametrize("column", [item.name for item in dataclasses.fields(Sample)])
def test_the_version_changes_with_every_column_but_the_layout(column: str) -> None:
    value = CHANGES.get(column, 12345 if column in LAYOUT[1:] else "other")
    changed = [dataclasses.replace(ROWS[0], **{column: value}), *ROWS[1:]]
    assert (version(changed) == version(ROWS)) == (column in LAYOUT)


def test_the_version_changes_with_order_and_classes() -> None:
    assert version(ROWS[::-1]) != version(ROWS)
    assert version(ROWS, LabelSchema(kind="single", classes=["ill", "healthy"])) != version(ROWS)


def test_the_version_is_this_one_for_ever() -> None:
    """A dataset must keep its version when medfm, pyarrow or Python become newer."""
    row = sample(0, sample_id="0011223344556677", image_id="0011223344556677", text="é")
    assert version([row]) == "e12685d5edd8a33d5320ed8f476d0f852a068ba0ce176fe9b7b39a7f7bd778d5"


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
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = samples_table(rows)
    back = pq.read_table(pa.BufferReader(parquet_bytes(table)))
    assert back.schema.equals(SAMPLES_SCHEMA)
    assert [Sample(**row) for row in back.to_pylist()] == rows
    assert content_version(back, CLASSES) == content_version(table, CLASSES)


def test_parquet_is_the_same_every_time_and_for_a_generator() -> None:
    assert parquet_bytes(samples_table(iter(ROWS))) == parquet_bytes(samples_table(ROWS))


def test_chunks_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = samples_table(ROWS)
    monkeypatch.setattr("medfm_cli.data.manifest.CHUNK", 2)
    parts = samples_table(ROWS)
    assert parquet_bytes(parts) == parquet_bytes(whole)
    assert content_version(parts, CLASSES) == content_version(whole, CLASSES)


def test_quarantine_rows() -> None:
    rows = [Quarantined(source="a.dcm", step="read", reason="no pixels", frame=1)]
    assert [Quarantined(**row) for row in quarantine_table(rows).to_pylist()] == rows
    assert quarantine_table([]).num_rows == 0


def test_source_digest_does_not_know_order_or_repetition() -> None:
    assert source_digest(["b", "a", "b"]) == source_digest(["a", "b"]) != source_digest(["a"])
