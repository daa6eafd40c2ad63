"""The source's own split: taken where it keeps subjects together, repaired or dropped where not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from curate_catalog import ledger_of
from pydantic import ValidationError

from medfm_cli.commands.curate.options.split import Folds, Split
from medfm_cli.commands.curate.split.step import SplitResult, split
from medfm_cli.errors import DataError

Sample = dict[str, Any]
NAMES = ["train"] * 7 + ["val"] + ["test"] * 2


@pytest.fixture
def dealt(tmp_path: Path) -> Any:
    def deal(samples: list[Sample], **keys: Any) -> tuple[list[str], SplitResult]:
        with ledger_of(tmp_path / "catalog", samples) as catalog:
            said = split(catalog, Split.model_validate(keys), seed=0)
            return [row[0] for row in catalog.rows("SELECT split FROM items ORDER BY id")], said

    return deal


def official(names: list[str], times: int = 10, **keys: Any) -> list[Sample]:
    return [{"subject": f"s{i}", "official": n} | keys for i, n in enumerate(names * times)]


def test_it_is_taken_over(dealt: Any) -> None:
    sides, said = dealt(official([*NAMES[:-1], "Testing"]))
    assert sides == NAMES * 10
    assert said.official
    assert said.why == "the source's own split"


def test_none_is_none(dealt: Any) -> None:
    _, said = dealt(official(NAMES), official="none")
    assert not said.official
    assert said.sides == {"train": 70, "val": 15, "test": 15}


def test_a_side_that_it_lacks_is_taken_out_of_train(dealt: Any) -> None:
    samples = official(["train"] * 8 + ["test"] * 2, times=20)
    sides, said = dealt(samples)
    assert [s for s, x in zip(sides, samples, strict=True) if x["official"] == "test"] == [
        "test"
    ] * 40
    assert Counter(sides) == {"train": 132, "val": 28, "test": 40}
    assert said.why.endswith("val, which it lacks, is taken out of train")


def test_an_incomplete_one_is_not_used(dealt: Any) -> None:
    _, said = dealt(official(["train"]))
    assert not said.official
    assert "incomplete" in said.why
    _, said = dealt(official(["train", "test", "", "", ""]))
    assert not said.official


def test_what_it_does_not_mention_stays_with_its_subject_or_is_learnt_from(dealt: Any) -> None:
    samples = [*official(NAMES), {"subject": "s9"}, {"subject": "new"}]
    sides, said = dealt(samples)
    assert sides[100:] == ["test", "train"]
    assert said.unassigned == 2


def test_a_subject_on_two_sides_means_that_all_is_dealt_anew(dealt: Any) -> None:
    samples = [*official(NAMES), {"subject": "s0", "official": "test"}]
    sides, said = dealt(samples)
    assert not said.official
    assert said.crossing == 1
    assert said.why == (
        "the source's own split has 1 subjects in two splits: "
        "subjects are assigned by the recipe's shares"
    )
    assert sides[0] == sides[100]


def test_keep_tears_it_and_says_so(dealt: Any) -> None:
    samples = [*official(NAMES), {"subject": "s0", "official": "test"}]
    sides, said = dealt(samples, official="keep")
    assert (sides[0], sides[100]) == ("train", "test")
    assert (said.official, said.crossing, said.torn) == (True, 1, 1)


def test_a_named_column_is_taken_and_its_torn_subjects_go_to_test(dealt: Any) -> None:
    samples = [*official(NAMES), {"subject": "s0", "official": "test"}]
    sides, said = dealt(samples, official="fold")
    assert (sides[0], sides[100]) == ("test", "test")
    assert (said.official, said.crossing, said.torn, said.moved) == (True, 1, 0, 1)


def test_a_near_duplicate_of_a_test_sample_leaves_train(dealt: Any) -> None:
    samples = official(NAMES)
    samples[0]["cluster"] = samples[9]["cluster"] = 5
    sides, said = dealt(samples)
    assert (sides[0], sides[9]) == ("test", "test")
    assert Counter(sides) == {"train": 69, "val": 10, "test": 21}
    assert said.moved == 1
    assert "1 samples moved to the side of their near duplicates" in said.why


def test_too_many_near_duplicates_across_make_it_worthless(dealt: Any) -> None:
    samples = official(NAMES)
    for i in range(10):
        samples[10 * i]["cluster"] = samples[10 * i + 9]["cluster"] = i
    _, said = dealt(samples)
    assert not said.official
    assert "near duplicates of 10 samples cross" in said.why
    assert said.torn == 0


def test_each_source_block_has_its_own(dealt: Any) -> None:
    samples = official(NAMES, block=0) + [{"subject": f"o{i}", "block": 1} for i in range(100)]
    sides, said = dealt(samples)
    assert sides[:100] == NAMES * 10
    assert Counter(sides[100:]) == {"train": 70, "val": 15, "test": 15}
    assert said.official


FOLDS = {"column": "strat_fold", "val": [9], "test": [10]}


def test_numbered_folds_are_mapped(dealt: Any) -> None:
    samples = official([str(fold) for fold in range(1, 11)])
    sides, _ = dealt(samples, official=FOLDS)
    assert sides == (["train"] * 8 + ["val", "test"]) * 10


def test_folds_are_read_as_numbers_or_words() -> None:
    folds = Folds.model_validate(FOLDS)
    assert [folds.side(v) for v in ("9", " 10.0", "9.00", "8", "")] == [
        "val",
        "test",
        "val",
        "train",
        "",
    ]
    named = Folds(column="c", train=["a"], test=["b"])
    assert [named.side(v) for v in ("a", "b", "c")] == ["train", "test", ""]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"official": {"column": "c"}}, "name the folds"),
        ({"official": {"column": "c", "val": [1], "test": ["1.0"]}}, "one of train, val and test"),
        ({"official": "keep", "by": "site"}, "cannot be kept"),
        ({"train": 0.9}, "add up to 1"),
    ],
)
def test_what_makes_no_sense_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Split.model_validate(keys)


def test_a_column_of_identifiers_is_no_split(dealt: Any) -> None:
    with pytest.raises(DataError, match="more than 1000 values"):
        dealt([{"official": f"id {i}"} for i in range(1001)], official="patient")
