"""The classifier's model directory: weights, thresholds, card and where all of it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.commands.finetune.plan import inputs
from medfm_cli.models.card_facts import CardFacts, MetricFacts, TrainingFacts, data_facts
from medfm_cli.models.config import ModelConfig
from medfm_cli.models.directory import save_model
from medfm_cli.models.lineage import extend
from medfm_cli.scoring.lineage import seen_images

if TYPE_CHECKING:
    from medfm_cli.commands.finetune.evaluate import Judgement
    from medfm_cli.commands.finetune.initial import Start
    from medfm_cli.commands.finetune.recipe import FinetuneRecipe
    from medfm_cli.commands.finetune.splits import Parts
    from medfm_cli.commands.finetune.trained import Trained
    from medfm_cli.data import Dataset
    from medfm_cli.models.lineage import Lineage
    from medfm_cli.runs import Run

SMALL_SUBJECTS = 100


def save(
    recipe: FinetuneRecipe,
    start: Start,
    dataset: Dataset,
    parts: Parts,
    *,
    trained: Trained,
    judged: Judgement,
    run: Run,
) -> ModelConfig:
    """Write `model/` into the run directory."""
    config = ModelConfig(
        kind="classifier",
        backbone=start.backbone.spec,
        head=trained.head,
        preprocessing=start.preprocessing,
        label_schema=dataset.card.label_schema,
        operating_points=judged.points,
        lineage=_lineage(recipe, start, dataset, parts, run),
        card=_card(recipe, start, dataset, trained=trained, judged=judged, run=run),
    )
    return save_model(run.path("model"), trained.classifier, config)


def _lineage(
    recipe: FinetuneRecipe, start: Start, dataset: Dataset, parts: Parts, run: Run
) -> Lineage:
    used = [int(index) for part in (parts.train, parts.val) for index in part]
    seen = seen_images(parts.images, used, dataset=dataset.version, splits=["train", "val"])
    return extend(
        run,
        inputs=inputs(recipe),
        datasets=[dataset.card],
        parents=[start.config.lineage] if start.config else [],
        seen=[seen],
    )


def _card(
    recipe: FinetuneRecipe,
    start: Start,
    dataset: Dataset,
    *,
    trained: Trained,
    judged: Judgement,
    run: Run,
) -> CardFacts:
    before = start.config.card if start.config else CardFacts()
    training = TrainingFacts(
        verb=run.verb,
        recipe=run.name,
        recipe_hash=run.hash,
        facts={"mode": recipe.mode, "start": start.name, "seed": recipe.seed, **trained.facts},
    )
    return CardFacts(
        intended_use=recipe.intended_use,
        data=[*before.data, data_facts(dataset.card, use="finetune")],
        training=[*before.training, training],
        metrics=_metrics(judged),
        limitations=_limitations(judged),
    )


def _metrics(judged: Judgement) -> list[MetricFacts]:
    return [
        MetricFacts(
            name=each.metric,
            value=each.value,
            low=each.low,
            high=each.high,
            n=each.n,
            subjects=each.subjects,
            of="this model",
            protocol=f"{part} split, images, bootstrap over subjects",
        )
        for part in ("val", "test")
        for each in judged.scores.get(part, {}).values()
        if each.value is not None
    ]


def _limitations(judged: Judgement) -> list[str]:
    facts = []
    cases = judged.cases.get("test")
    if cases is None:
        facts.append("There was no test split: the scores are not independent of the training.")
    elif cases.n_subjects < SMALL_SUBJECTS:
        facts.append(
            f"The test set is small ({cases.n} images of {cases.n_subjects} subjects): "
            "the scores say little about other patients."
        )
    if judged.without_point:
        facts.append(
            f"No operating point for {', '.join(judged.without_point)}: "
            "the validation images did not allow one."
        )
    return facts
