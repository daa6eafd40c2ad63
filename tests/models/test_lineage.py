"""The chain behind a model: each run and dataset once, the oldest first."""

from __future__ import annotations

from pathlib import Path

from medfm_cli.console import Silence
from medfm_cli.data.card import Counts, DatasetCard, DatasetLineage, LabelSchema
from medfm_cli.models.lineage import Lineage, extend
from medfm_cli.runs import Run


def a_run(verb: str, folder: Path) -> Run:
    return Run(folder, verb, "small", f"hash of {verb}", Silence())


def a_dataset(version: str) -> DatasetCard:
    return DatasetCard(
        name="tiles",
        version=version,
        label_schema=LabelSchema(),
        counts=Counts(samples=1, images=1, subjects=1),
        medfm="0.1.0",
        lineage=DatasetLineage(source_count=3, source_digest="digest", recipe="recipe"),
        manifest_sha256="m",
        shards=[],
    )


def test_a_chain_grows_by_one_step_and_keeps_what_came_before(tmp_path: Path) -> None:
    first = extend(a_run("pretrain", tmp_path), inputs={"data": "v1"}, datasets=[a_dataset("v1")])
    first = first.ended_by("weights of the encoder")
    second = extend(
        a_run("finetune", tmp_path),
        inputs={"data": "v1", "model": "m"},
        datasets=[a_dataset("v1")],
        parents=[first],
    )
    assert [step.verb for step in second.steps] == ["pretrain", "finetune"]
    assert second.steps[0].output == "weights of the encoder"
    assert [origin.version for origin in second.datasets] == ["v1"]
    assert second.datasets[0].source_digest == "digest"
    assert second.steps[1].inputs == {"data": "v1", "model": "m"}
    assert "numpy" in second.steps[1].versions


def test_two_parents_share_what_they_have_in_common(tmp_path: Path) -> None:
    common = extend(a_run("pretrain", tmp_path), inputs={}, datasets=[a_dataset("v1")])
    left = extend(a_run("finetune", tmp_path), inputs={}, parents=[common])
    both = extend(a_run("eval", tmp_path), inputs={}, parents=[common, left])
    assert [step.verb for step in both.steps] == ["pretrain", "finetune", "eval"]


def test_an_empty_chain_has_no_last_step() -> None:
    assert Lineage().ended_by("x") == Lineage()


def test_a_chain_survives_json(tmp_path: Path) -> None:
    chain = extend(a_run("pretrain", tmp_path), inputs={"data": "v"}, datasets=[a_dataset("v")])
    assert Lineage.model_validate_json(chain.model_dump_json()) == chain
