"""Questions made from labels: every answer is true, yes is as common as no, the same by seed."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from curate_catalog import ledger_of
from hypothesis import given, settings
from hypothesis import strategies as st

from medfm_cli.commands.curate.instructions.records import write_instructions
from medfm_cli.commands.curate.instructions.step import InstructionSummary, add_instructions
from medfm_cli.commands.curate.instructions.templates import modality_name, noun, overlapping
from medfm_cli.commands.curate.options.instructions import Instructions
from medfm_cli.samples.modalities import MODALITIES

Sample = dict[str, Any]
Turn = tuple[str, str, dict[str, Any]]
LABELS = ["a", "b", "c", "d"]
labels_ = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"label": st.sampled_from(LABELS)}),
    st.fixed_dictionaries({"labels": st.lists(st.sampled_from(LABELS), unique=True)}),
)
samples_ = st.lists(
    st.builds(
        lambda keys, labels: keys | labels,
        st.fixed_dictionaries(
            {
                "block": st.integers(0, 1),
                "split": st.sampled_from(["train", "val", "test"]),
                "kind": st.sampled_from(["image", "volume", "signal", "text"]),
                "modality": st.sampled_from(["", "CT", "XR", "MR", "PT", "NM"]),
                "fate": st.sampled_from(["kept", "kept", "dropped"]),
                "facts": st.lists(st.sampled_from(LABELS), unique=True, max_size=2).map(
                    lambda absent: json.dumps({"absent": absent})
                ),
            }
        ),
        labels_,
    ),
    max_size=60,
)


def asked(
    samples: list[Sample], *, seed: int = 0, **keys: Any
) -> tuple[list[list[Turn]], InstructionSummary]:
    """The turns of every sample, and what the step says."""
    with TemporaryDirectory() as folder, ledger_of(Path(folder, "l"), samples) as catalog:
        said = add_instructions(catalog, Instructions.model_validate(keys), seed=seed)
        rows = catalog.rows("SELECT turns FROM items ORDER BY id")
        return [[tuple(t) for t in json.loads(row[0] or "[]")] for row in rows], said


def labels_of(sample: Sample) -> list[str] | None:
    if sample.get("label") is not None:
        return [sample["label"]]
    found: list[str] | None = sample.get("labels")
    return found


def of(task: str, turns: list[list[Turn]]) -> list[tuple[int, str, str, str]]:
    """Sample, question, answer and label of a task."""
    return [
        (i, question, answer, facts["label"])
        for i, found in enumerate(turns)
        for question, answer, facts in found
        if facts["kind"] == task
    ]


@settings(max_examples=300)
@given(samples_, st.integers(0, 5), st.booleans(), st.none() | st.integers(1, 3))
def test_no_answer_is_false_and_yes_is_as_common_as_no(
    samples: list[Sample], seed: int, partial: bool, limit: int | None
) -> None:
    turns, said = asked(samples, seed=seed, partial=partial, per_label=limit)
    known: defaultdict[int, set[str]] = defaultdict(set)
    for sample in samples:
        if sample["fate"] == "kept":
            known[sample["block"]].update(labels_of(sample) or ())
    balance: defaultdict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for i, question, answer, label in of("binary", turns):
        sample = samples[i]
        has = labels_of(sample)
        assert sample["fate"] == "kept"
        assert has is not None
        assert label in question
        assert (label in has) == (answer == "Yes")
        assert label in known[sample["block"]]
        if partial and answer == "No":
            assert label in json.loads(sample["facts"])["absent"]
        balance[label, sample["block"], sample["split"]][answer] += 1
    for counts in balance.values():
        assert counts["Yes"] == counts["No"] <= (limit or len(samples))
    assert sum(found["Yes"] for found in balance.values()) == sum(b.each for b in said.labels)


@settings(max_examples=200)
@given(samples_, st.integers(0, 5))
def test_open_answers_are_the_labels_and_the_others_are_not_there(
    samples: list[Sample], seed: int
) -> None:
    turns, _ = asked(samples, seed=seed, options=3)
    for i, question, answer, _ in of("open", turns):
        has = labels_of(samples[i])
        assert has is not None
        assert set(answer.split(", ")) == (set(has) or {"none of these"})
        assert all(name in question for name in answer.split(", "))


@settings(max_examples=200)
@given(samples_, st.integers(0, 5))
def test_a_modality_is_never_denied_to_whom_it_belongs(samples: list[Sample], seed: int) -> None:
    """RadFM's released code asks for the true modality where the answer is no."""
    turns, _ = asked(samples, seed=seed)
    balance: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for i, question, answer, modality in of("modality", turns):
        own = samples[i]["modality"]
        assert own
        assert samples[i]["kind"] != "text"
        if answer in ("Yes", "No"):
            assert modality_name(modality) in question
            assert (answer == "Yes") == (modality == own)
            assert {modality, own} not in [set(pair) for pair in overlapping()]
            balance[modality, samples[i]["split"]][answer] += 1
        else:
            assert answer == modality_name(own)
            assert modality_name(own) not in question
    for counts in balance.values():
        assert counts["Yes"] == counts["No"]


@given(samples_, st.integers(0, 5), st.randoms(use_true_random=False))
def test_neither_a_second_run_nor_the_order_of_the_samples_matters(
    samples: list[Sample], seed: int, chance: random.Random
) -> None:
    for number, sample in enumerate(samples):
        sample["content_sha"] = f"{number:064x}"
    turns, _ = asked(samples, seed=seed)
    assert asked(samples, seed=seed)[0] == turns
    order = list(range(len(samples)))
    chance.shuffle(order)
    assert asked([samples[i] for i in order], seed=seed)[0] == [turns[i] for i in order]


def test_another_seed_asks_otherwise() -> None:
    samples = [{"label": LABELS[i % 4], "split": "train"} for i in range(40)]
    assert asked(samples, seed=0)[0] != asked(samples, seed=1)[0]


def test_as_many_are_asked_as_can_be_and_nobody_much_more_than_others() -> None:
    weights = {"a": 400, "b": 60, "c": 9}
    samples = [{"label": label, "split": "train"} for label, n in weights.items() for _ in range(n)]
    turns, said = asked(samples, open=False)
    assert {b.what: b.each for b in said.labels} == {"a": 69, "b": 60, "c": 9}
    noes = Counter(i for i, _, answer, _ in of("binary", turns) if answer == "No")
    # 69 samples are not `a` and have to deny it; the 60 + 9 other questions go round once
    assert max(noes.values()) <= 2


def test_one_class_gives_nothing_to_deny() -> None:
    turns, said = asked([{"label": "a", "split": "train"}] * 5)
    assert turns == [[]] * 5
    assert "nothing could answer no: a." in said.remarks()[0]


def test_overlapping_labels_do_not_deny_each_other() -> None:
    samples = [{"label": n, "split": "train"} for n in ("pneumonia", "viral pneumonia", "well") * 9]
    turns, _ = asked(samples, overlapping=[["pneumonia", "viral pneumonia"]], options=2)
    denied = {(samples[i]["label"], w) for i, _, a, w in of("binary", turns) if a == "No"}
    assert denied == {
        ("pneumonia", "well"),
        ("viral pneumonia", "well"),
        ("well", "pneumonia"),
        ("well", "viral pneumonia"),
    }
    for i, question, _, _ in of("open", turns):
        assert ("well" in question) or samples[i]["label"] == "well"


def test_a_sample_is_called_what_it_is() -> None:
    """FEDMEKI's released prompts call radiographs CT images."""
    samples = [
        {"label": "ab"[i % 2], "split": "train", "kind": kind, "modality": modality}
        for modality in ("XR", "CT", "US", "")
        for kind in ("image", "volume", "video")
        for i in range(40)
    ]
    turns, _ = asked(samples, modality=False)
    for sample, found in zip(samples, turns, strict=True):
        for question, _, _ in found:
            assert noun(sample["kind"], sample["modality"]) in question
            assert ("CT" in question) == (sample["modality"] == "CT")
            assert ("X-ray" in question) == (sample["modality"] == "XR")
    assert len({question.partition("X-ray")[0] for f in turns for question, _, _ in f}) > 4


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_modality_has_a_name(modality: str) -> None:
    assert noun("image", modality) not in ("image", "")
    assert modality_name(modality).islower()


def test_names_are_used_in_questions_and_answers() -> None:
    samples = [{"label": "01"[i % 2], "split": "train"} for i in range(20)]
    turns, said = asked(samples, names={"0": "no pneumonia", "1": "pneumonia"})
    assert all("pneumonia" in question for found in turns for question, _, _ in found)
    assert {answer for _, _, answer, _ in of("open", turns)} == {"no pneumonia", "pneumonia"}
    assert {label for _, _, _, label in of("binary", turns)} == {"0", "1"}
    assert ["no pneumonia", "train", 10, 10] in [list(row) for row in said.tables()[1].rows]


def test_turns_that_are_there_already_stay_first() -> None:
    own = json.dumps([["What is this?", "A scan.", {}], {"question": "And?", "answer": "Yes."}])
    samples = [{"label": "ab"[i % 2], "split": "train", "turns": own} for i in range(10)]
    turns, _ = asked(samples)
    assert all(found[:2] == [("What is this?", "A scan.", {}), ("And?", "Yes.", {})]
               for found in turns)  # fmt: skip
    assert min(map(len, turns)) > 2


def test_records_are_written_from_the_manifest(tmp_path: Path) -> None:
    turns = [["Is it?", "Yes", {"kind": "binary", "label": "NORM"}], ["Why?", "So.", {}]]
    rows = [
        {"sample_id": "ab", "kind": "signal", "modality": "ECG", "text": None, "turns": turns},
        {"sample_id": "cd", "kind": "image", "modality": "XR", "text": "report", "turns": turns},
        {"sample_id": "ef", "kind": "image", "modality": "XR", "text": None, "turns": None},
    ]
    for row in rows:
        row |= {"split": "train", "client": "", "turns": row["turns"] and json.dumps(row["turns"])}
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "samples.parquet")
    assert write_instructions(tmp_path) == 4
    lines = (tmp_path / "instructions.jsonl").read_text("utf-8").splitlines()
    first, _, third, _ = (json.loads(line) for line in lines)
    assert first["sample_id"] == "ab"
    assert first["conversations"] == [
        {"from": "question", "value": "<signal>\nIs it?"},
        {"from": "answer", "value": "Answer: Yes"},
    ]
    assert first["task_type"].startswith("Decide from the ECG recording whether this holds: NORM")
    assert (first["modalities"], third["modalities"]) == ("Signal only", "Text and image")
