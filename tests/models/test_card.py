"""The card says what run records say, and EMPTY where they say nothing."""

from __future__ import annotations

import pytest

from medfm_cli.data.card import Counts, DatasetCard, DatasetLineage, LabelSchema, SplitCounts
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.models.card import (
    CardFacts,
    DataFacts,
    MetricFacts,
    TrainingFacts,
    data_facts,
    interval,
    render_model_card,
)
from medfm_cli.models.config import ModelConfig, OperatingPoint
from medfm_cli.models.spec import BackboneSpec, HeadSpec


def config(card: CardFacts, **more: object) -> ModelConfig:
    return ModelConfig(
        kind="classifier",
        backbone=BackboneSpec(name="vit_xs"),
        head=HeadSpec(kind="linear", classes=2),
        preprocessing=Preprocessing(size=64),
        label_schema=LabelSchema(kind="single", classes=["CT", "MR"]),
        card=card,
        **more,  # type: ignore[arg-type]
    )


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n\n")[1].split("\n\n## ")[0].strip()


@pytest.mark.parametrize("title", ["Intended use", "Data", "Training", "Metrics", "Limitations"])
def test_what_nobody_recorded_is_empty(title: str) -> None:
    assert section(render_model_card(config(CardFacts())), title) == "EMPTY"


def test_a_field_nobody_recorded_is_empty_beside_those_that_are_known() -> None:
    facts = CardFacts(data=[DataFacts(use="pretrain", name="tiles", subjects=18)])
    text = section(render_model_card(config(facts)), "Data")
    assert "### pretrain: tiles" in text
    assert "- subjects: 18" in text
    assert "- licences: EMPTY" in text
    assert "- consent: EMPTY" in text


def test_a_metric_shows_its_interval_n_and_subjects() -> None:
    metric = MetricFacts(
        name="AUC", value=0.9, low=0.8, high=0.95, n=40, subjects=12, of="probe", protocol="test"
    )
    text = render_model_card(config(CardFacts(metrics=[metric])))
    assert "| probe | AUC | 0.900 (0.800 to 0.950) | 40 | 12 | test |" in text


def test_a_metric_without_an_interval_says_so() -> None:
    assert interval(MetricFacts(name="AUC", value=0.5)) == "0.500 (95 % interval EMPTY)"


def test_training_and_operating_points_and_limits_are_listed() -> None:
    step = TrainingFacts(verb="finetune", recipe="probe", recipe_hash="ab", facts={"epochs": 20})
    facts = CardFacts(training=[step], limitations=["Eighteen patients."])
    points = [OperatingPoint(label="MR", threshold=0.61, value=0.7, n=20)]
    text = render_model_card(config(facts, operating_points=points))
    assert "### finetune probe" in text
    assert "- epochs: 20" in text
    assert "- Eighteen patients." in text
    assert "- MR: probability ≥ 0.610 (max-mcc, reached 0.7 on 20 images)" in text


def test_text_from_outside_cannot_break_the_table() -> None:
    metric = MetricFacts(name="A|UC\n", value=1.0, of="x")
    row = render_model_card(config(CardFacts(metrics=[metric]))).splitlines()
    assert sum(line.startswith("| x | A\\|UC  |") for line in row) == 1


def test_data_facts_are_the_datasets_own() -> None:
    card = DatasetCard(
        name="modalities",
        version="v" * 64,
        label_schema=LabelSchema(kind="single", classes=["CT", "MR"]),
        counts=Counts(
            samples=9,
            images=5,
            subjects=3,
            splits={"train": SplitCounts(samples=9, images=5, subjects=3)},
            labels={"CT": 4, "MR": 5},
            modalities={"CT": 4, "MR": 5},
        ),
        licences=["MIT"],
        medfm="0.1.0",
        lineage=DatasetLineage(source_count=7, source_digest="d"),
        manifest_sha256="m",
        shards=[],
    )
    facts = data_facts(card, use="finetune")
    assert (facts.samples, facts.images, facts.subjects) == (9, 5, 3)
    assert facts.splits == {"train": 9}
    assert facts.licences == ["MIT"]
    assert facts.consent == ""
