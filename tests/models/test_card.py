"""The card says what run records say, and EMPTY where they say nothing."""

from __future__ import annotations

import pytest

from medfm_cli.data.card import Counts, DatasetCard, DatasetLineage, LabelSchema, SplitCounts
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.models.card import interval, render_model_card
from medfm_cli.models.card_facts import CardFacts, DataFacts, MetricFacts, TrainingFacts, data_facts
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


def measured(name: str, value: float, **more: object) -> MetricFacts:
    facts = {"low": 0.8, "high": 0.95, "n": 40, "subjects": 12, "of": "probe", "protocol": "test"}
    return MetricFacts.model_validate({"name": name, "value": value, **facts, **more})


def test_a_model_has_one_row_with_its_intervals_n_and_subjects() -> None:
    metrics = [
        measured("auc", 0.9),
        measured("balanced_accuracy", 0.85),
        measured("auc", 0.5, of="majority", low=None, high=None),
    ]
    lines = render_model_card(config(CardFacts(metrics=metrics))).splitlines()
    assert "| model | protocol | n | subjects | AUC | balanced accuracy |" in lines
    assert "|---|---|---|---|---|---|" in lines
    row = "| probe | test | 40 | 12 | 0.90 (0.80 to 0.95) | 0.85 (0.80 to 0.95) |"
    assert row in lines
    assert "| majority | test | 40 | 12 | 0.50 (EMPTY) |  |" in lines


def test_digits_follow_the_number_of_people() -> None:
    assert interval(measured("auc", 0.9123, subjects=500)) == "0.912 (0.800 to 0.950)"
    assert interval(measured("auc", 0.9123, subjects=None)) == "0.91 (0.80 to 0.95)"
    assert interval(MetricFacts(name="auc", value=0.5)) == "0.50 (EMPTY)"


def test_a_dataset_used_twice_is_told_once() -> None:
    data = [
        DataFacts(use="pretrain", name="tiles", version="v1", modalities={"CT": 3, "": 2}),
        DataFacts(use="finetune", name="tiles", version="v1", modalities={"CT": 3, "": 2}),
        DataFacts(use="eval", name="others", version="v2"),
    ]
    text = section(render_model_card(config(CardFacts(data=data))), "Data")
    assert text.count("### ") == 2
    assert "### pretrain, finetune: tiles" in text
    assert "- samples by modality: CT 3, not stated 2" in text
    assert "### eval: others" in text


def test_training_and_operating_points_and_limits_are_listed() -> None:
    step = TrainingFacts(verb="finetune", recipe="probe", recipe_hash="ab", facts={"epochs": 20})
    facts = CardFacts(training=[step], limitations=["Eighteen patients."])
    points = [OperatingPoint(label="MR", threshold=0.61, value=0.7, n=20)]
    text = render_model_card(config(facts, operating_points=points))
    assert "### finetune probe" in text
    assert "- epochs: 20" in text
    assert "- Eighteen patients." in text
    assert "- MR: probability ≥ 0.610 (max-mcc, 0.7 on 20 images)" in text


def test_text_from_outside_cannot_break_the_table() -> None:
    metric = MetricFacts(name="auc", value=1.0, of="a|b\nc")
    lines = render_model_card(config(CardFacts(metrics=[metric]))).splitlines()
    assert sum(line.startswith("| a\\|b c | EMPTY |") for line in lines) == 1


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
