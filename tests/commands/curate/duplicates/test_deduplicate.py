"""The same pixels are one image; what its copies know is kept; their patients are tied."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from curate_catalog import ledger_of

from medfm_cli.commands.curate.duplicates.exact import MOST_TIED
from medfm_cli.commands.curate.duplicates.step import deduplicate
from medfm_cli.commands.curate.duplicates.summary import DuplicateSummary


def image(pixels: str, subject: str, *, entry: int = 0, sha: str = "", **values: Any) -> Any:
    known = int(subject.startswith("subject-"))
    return {
        "content_sha": pixels * 8, "subject": subject, "known": known, "entry": entry,
        "file": entry, "file_sha": sha or f"file{entry}", **values,
    }  # fmt: skip


class Done:
    """What became of some images."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *images: Any) -> DuplicateSummary:
        with ledger_of(self.folder / "catalog.sqlite", images) as catalog:
            unique = deduplicate(catalog)
            rows = list(catalog.rows("SELECT * FROM items ORDER BY id"))
        self.kept: list[sqlite3.Row] = [row for row in rows if row["fate"] == "kept"]
        self.copies: list[sqlite3.Row] = [row for row in rows if row["fate"] == "duplicate"]
        return unique


@pytest.fixture
def done(tmp_path: Path) -> Done:
    return Done(tmp_path)


def test_the_first_of_equals_is_kept_in_the_order_of_the_source(done: Done) -> None:
    done(*[image("aa", "subject-1", entry=i) for i in range(3)], image("bb", "subject-2", entry=3))
    assert [row["entry"] for row in done.kept] == [0, 3]
    assert [row["entry"] for row in done.copies] == [1, 2]
    assert {row["twin"] for row in done.copies} == {done.kept[0]["id"]}


def test_the_one_of_which_most_is_known_is_kept(done: Done) -> None:
    done(
        image("aa", "file-1", entry=0),
        image("aa", "subject-1", entry=1),
        image("aa", "subject-1", entry=2, label="x"),
    )
    (kept,) = done.kept
    assert (kept["entry"], kept["label"], kept["subject"]) == (2, "x", "subject-1")


def test_what_copies_know_is_added(done: Done) -> None:
    done(
        image("aa", "file-1", entry=0, label="x"),
        image("aa", "subject-1", entry=1, modality="MR", site="s", age=40.0, text="told"),
    )
    (kept,) = done.kept
    known = [kept[n] for n in ("label", "subject", "known", "modality", "site", "age", "text")]
    assert known == ["x", "subject-1", 1, "MR", "s", 40.0, "told"]


def test_the_one_with_boxes_or_a_mask_is_kept(done: Done) -> None:
    boxed = image("aa", "file-2", entry=2, boxes='[["cell", 1, 2, 3, 4]]')
    done(image("aa", "file-0"), image("aa", "subject-1", entry=1), boxed)
    assert [row["entry"] for row in done.kept] == [2]
    masked = image("bb", "file-1", entry=1, parts='[["", "image", {"mask.png": 80}]]')
    done(image("bb", "file-0"), masked)
    assert [row["entry"] for row in done.kept] == [1]


def test_no_question_of_a_copy_is_lost(done: Done) -> None:
    first, second = ["What is it?", "A lung.", {}], ["Is it normal?", "Yes.", {"id": 7}]
    done(
        image("aa", "file-1", turns=json.dumps([first])),
        image("aa", "file-2", entry=1, turns=json.dumps([first, second])),
    )
    assert json.loads(done.kept[0]["turns"]) == [first, second]


def test_copies_with_different_labels_have_none(done: Done) -> None:
    unique = done(image("aa", "file-1", label="x"), image("aa", "file-2", label="y"))
    assert done.kept[0]["label"] is None
    assert unique.contradicted == 1


def test_patients_with_the_same_pixels_are_one_subject_everywhere(done: Done) -> None:
    unique = done(
        image("aa", "subject-1", entry=0),
        image("aa", "subject-2", entry=1),
        image("bb", "subject-2", entry=2),
        image("cc", "subject-2", entry=3),
        image("cc", "subject-3", entry=4),
        image("dd", "subject-9", entry=5),
    )
    assert [row["subject"] for row in done.kept] == ["subject-1"] * 3 + ["subject-9"]
    assert unique.tied == 1


def test_a_file_without_patient_joins_the_patient_whose_pixels_it_has(done: Done) -> None:
    unique = done(
        image("aa", "file-0", entry=0),
        image("bb", "file-0", entry=0),
        image("aa", "subject-1", entry=1),
    )
    assert {row["subject"] for row in done.kept} == {"subject-1"}
    assert unique.tied == 0


def test_a_test_card_ties_nobody_together(done: Done) -> None:
    count = MOST_TIED + 1
    images = [image("aa", f"subject-{i}", entry=i) for i in range(count)]
    images += [image(f"{i:02d}", f"subject-{i}", entry=i) for i in range(count)]
    unique = done(*images)
    assert len({row["subject"] for row in done.kept}) == count
    assert (unique.shared_widely, unique.tied) == (1, 0)


def test_a_picture_on_both_sides_of_the_official_split_stays_in_test(done: Done) -> None:
    unique = done(
        image("aa", "file-1", entry=0, official="train", label="x"),
        image("aa", "file-2", entry=1, official="test", label="x"),
    )
    assert [row["official"] for row in done.kept] == ["test"]
    assert unique.crossed == 1


def test_only_another_file_with_the_same_bytes_is_the_same_file(done: Done) -> None:
    done(
        image("aa", "f", entry=0, sha="s"),
        image("aa", "f", entry=1, sha="s"),
        image("aa", "f", entry=0, sha="s"),
        image("aa", "f", entry=2),
    )
    assert [row["exact"] for row in done.copies] == [1, 0, 0]
