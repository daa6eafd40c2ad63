"""What changed between two data sets: every kind of change is seen, and nothing is invented."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from dataset_files import CLASSES, sample, write_dataset, write_samples
from executable import Executable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medfm_cli.commands.curate.diff.difference import Changed, Difference, Left, Move, compare
from medfm_cli.commands.curate.diff.text import as_text
from medfm_cli.data import LabelSchema, Sample, write_manifest
from medfm_cli.data.manifest import Quarantined
from medfm_cli.errors import DataError


def dataset(root: Path, rows: list[Sample], **values: Any) -> str:
    values = {"name": "toy", "label_schema": CLASSES, "shards": ()} | values
    write_manifest(root, rows, **values)
    return str(root)


def differ(tmp_path: Path, old: list[Sample], new: list[Sample], **values: Any) -> Difference:
    return compare(dataset(tmp_path / "old", old), dataset(tmp_path / "new", new, **values))


ROWS = [sample(number) for number in range(12)]


def test_the_same_data_set_is_identical(tmp_path: Path) -> None:
    found = differ(tmp_path, ROWS, ROWS)
    assert found.identical
    assert as_text(found) == "the two data sets are identical"
    assert found.to_json()["identical"] is True


def test_a_manifest_without_the_newest_attributes_is_compared_as_if_they_were_unknown(
    tmp_path: Path,
) -> None:
    old, new = dataset(tmp_path / "old", ROWS), dataset(tmp_path / "new", ROWS)
    path = tmp_path / "old" / "samples.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["laterality", "target"]), path)
    assert compare(old, new).identical
    newer = [dataclasses.replace(ROWS[0], target=1.5), *ROWS[1:]]
    assert not compare(old, dataset(tmp_path / "newer", newer)).identical


def test_where_payloads_lie_is_no_change(tmp_path: Path) -> None:
    moved = [dataclasses.replace(row, offset=row.offset + 512) for row in ROWS]
    assert differ(tmp_path, ROWS, moved).identical


def test_added_and_removed_samples_and_subjects(tmp_path: Path) -> None:
    found = differ(tmp_path, ROWS[:8], ROWS[3:])
    assert found.samples == {"old": 8, "new": 9}
    assert found.added == Changed(4, sorted(row.sample_id for row in ROWS[8:]))
    assert found.removed == Changed(3, sorted(row.sample_id for row in ROWS[:3]))
    assert found.subjects_removed == Changed(1, ["subject-0"])
    assert found.subjects_added == Changed(2, ["subject-4", "subject-5"])
    assert not found.labels
    assert not found.other_names
    assert found.removed_by == {"": 3}


def test_what_is_refused_now_is_told_by_step(tmp_path: Path) -> None:
    old = dataset(tmp_path / "old", ROWS)
    gone = [Quarantined(source=r.source, source_sha256=r.source_sha256, step="quality",
                        reason="constant") for r in ROWS[:2]]  # fmt: skip
    found = compare(old, dataset(tmp_path / "new", ROWS[3:], quarantine=gone))
    assert found.removed_by == {"": 1, "quality": 2}
    assert found.quarantine == [Left("quality", 0, 2)]
    assert (found.quarantine_added, found.quarantine_removed) == (2, 0)
    assert "2: their file is refused now: quality" in as_text(found)


def test_moved_and_relabelled(tmp_path: Path) -> None:
    new = [
        dataclasses.replace(row, split="val", label="ill") if row.subject_id == "subject-0" else row
        for row in ROWS
    ]
    found = differ(tmp_path, ROWS, new)
    assert found.sample_splits == [Move("train", "val", 2)]
    assert found.subject_splits == [Move("train", "val", 1)]
    assert found.labels == [Move("healthy", "ill", 1)]
    assert not found.values
    assert "relabelled  1: healthy → ill" in as_text(found)


def test_a_sample_that_lost_its_label(tmp_path: Path) -> None:
    new = [dataclasses.replace(ROWS[0], label=None), *ROWS[1:]]
    assert differ(tmp_path, ROWS, new).labels == [Move("healthy", None, 1)]


def test_several_labels_are_compared_as_they_are(tmp_path: Path) -> None:
    several = LabelSchema(kind="multi", classes=["healthy", "ill"])
    old = [dataclasses.replace(r, label=None, labels=["ill"]) for r in ROWS[:2]]
    new = [dataclasses.replace(r, label=None, labels=["healthy", "ill"]) for r in ROWS[:2]]
    found = compare(
        dataset(tmp_path / "old", old, label_schema=several),
        dataset(tmp_path / "new", new, label_schema=several),
    )
    assert found.labels == [Move('["ill"]', '["healthy", "ill"]', 2)]


def test_other_columns_and_pseudonyms_of_another_key(tmp_path: Path) -> None:
    new = [dataclasses.replace(r, subject_id=f"{r.subject_id}-x", facts='{"a": 1}') for r in ROWS]
    found = differ(tmp_path, ROWS, new)
    assert found.values == {"subject_id": 12, "facts": 12}
    assert found.other_names
    assert "another key" in as_text(found)


def test_the_card(tmp_path: Path) -> None:
    classes = LabelSchema(kind="single", classes=["healthy", "ill", "dead"])
    found = differ(tmp_path, ROWS, ROWS, label_schema=classes, licences=["CC0"], consent="given")
    fields = {field.name: (field.old, field.new) for field in found.card}
    assert fields["label_schema.classes"] == (["healthy", "ill"], ["healthy", "ill", "dead"])
    assert fields["licences"] == ([], ["CC0"])
    assert fields["consent"] == ("", "given")
    assert "version" in fields
    assert not found.identical


def test_a_row_of_the_quarantine_counts_as_often_as_it_occurs(tmp_path: Path) -> None:
    row = Quarantined(source="a.png", step="read", reason="broken")
    old = dataset(tmp_path / "old", ROWS, quarantine=[row])
    found = compare(old, dataset(tmp_path / "new", ROWS, quarantine=[row, row, row]))
    assert (found.quarantine_added, found.quarantine_removed) == (2, 0)
    assert not found.identical


KEPT = st.lists(st.booleans(), min_size=12, max_size=12)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.tuples(KEPT, KEPT))
def test_counts_add_up(
    kept: tuple[list[bool], list[bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("diff")
    old, new = ([row for row, keep in zip(ROWS, k, strict=True) if keep] for k in kept)
    found = differ(root, old, new)
    both = {row.sample_id for row in old} & {row.sample_id for row in new}
    assert len(old) - found.removed.count == len(both) == len(new) - found.added.count
    assert sum(found.removed_by.values()) == found.removed.count
    assert found.identical == (old == new)


def test_the_command(medfm: Executable, tmp_path: Path) -> None:
    write_dataset(tmp_path / "run" / "dataset", 20)
    write_dataset(tmp_path / "new", 22)
    same = medfm("curate", "--diff", "run", "run", cwd=tmp_path)
    assert (same.code, same.stdout) == (0, "the two data sets are identical\n")
    done = medfm("curate", "--diff", "run", "new", cwd=tmp_path)
    assert done.code == 0
    assert "samples           20 → 22" in done.stdout or "20 → 22" in done.stdout
    document = medfm("curate", "--diff", "run", "new", "--json", cwd=tmp_path).json
    assert document["exit_code"] == 0
    assert document["diff"]["added"]["count"] == 2
    assert document["diff"]["identical"] is False


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("old",), 2, "--diff takes two datasets, not 1"),
        (("old", "old", "old"), 2, "--diff takes two datasets, not 3"),
        (("old", "nowhere"), 3, "'nowhere'"),
        (("old", "broken"), 3, "cannot read"),
    ],
)
def test_what_cannot_be_compared(
    medfm: Executable, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    for name in ("old", "broken"):
        write_dataset(tmp_path / name, 3)
    (tmp_path / "broken" / "samples.parquet").write_bytes(b"PAR1 no PAR1")
    done = medfm("curate", "--diff", *words, cwd=tmp_path)
    assert done.code == code, done.stderr
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_data_set_of_another_format_is_refused(tmp_path: Path) -> None:
    write_samples(tmp_path / "shards", range(2))
    root = Path(dataset(tmp_path / "old", ROWS))
    card = root / "dataset.json"
    card.write_text(card.read_text().replace('"format": ', '"format": 9'))
    with pytest.raises(DataError, match="format"):
        compare(str(root), str(root))
