"""The classifier's model directory: weights, thresholds, card and lineage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.commands.finetune.plan import inputs
from medfm_cli.models.card_facts import CardFacts, MetricFacts, TrainingFacts, data_facts
from medfm_cli.models.config import ModelConfig
from medfm_cli.models.directory import save_model
from medfm_cli.models.lineage import extend
from medfm_cli.scoring.lineage import seen_images

if TYPE_CHECKING:
    from medfm_cli.commands.finetune.evaluate import EvaluationResult
    from medfm_cli.commands.finetune.initial import InitialModel
    from medfm_cli.commands.finetune.recipe import FinetuneRecipe
    from medfm_cli.commands.finetune.trained import TrainedClassifier
    from medfm_cli.data import Dataset
    from medfm_cli.models.lineage import Lineage
    from medfm_cli.runs import Run
    from medfm_cli.scoring.splits import SplitIndices

SMALL_SUBJECTS = 100


def save(
    recipe: FinetuneRecipe,
    initial: InitialModel,
    dataset: Dataset,
    splits: SplitIndices,
    *,
    trained: TrainedClassifier,
    evaluation: EvaluationResult,
    run: Run,
) -> ModelConfig:
    """Write `model/` into the run directory."""
    config = ModelConfig(
        kind="classifier",
        backbone=initial.backbone.spec,
        head=trained.head,
        preprocessing=initial.preprocessing,
        label_schema=dataset.card.label_schema,
        operating_points=evaluation.operating_points,
        lineage=_lineage(recipe, initial, dataset, splits, run),
        card=_card(recipe, initial, dataset, trained=trained, evaluation=evaluation, run=run),
    )
    return save_model(run.path("model"), trained.classifier, config)


def _lineage(
    recipe: FinetuneRecipe, initial: InitialModel, dataset: Dataset, splits: SplitIndices, run: Run
) -> Lineage:
    used = [int(index) for split in (splits.train, splits.val) for index in split]
    seen = seen_images(splits.images, used, dataset=dataset.version, splits=["train", "val"])
    return extend(
        run,
        inputs=inputs(recipe),
        datasets=[dataset.card],
        parents=[initial.config.lineage] if initial.config else [],
        seen=[seen],
    )


def _card(
    recipe: FinetuneRecipe,
    initial: InitialModel,
    dataset: Dataset,
    *,
    trained: TrainedClassifier,
    evaluation: EvaluationResult,
    run: Run,
) -> CardFacts:
    previous = initial.config.card if initial.config else CardFacts()
    training = TrainingFacts(
        verb=run.verb,
        recipe=run.name,
        recipe_hash=run.hash,
        facts={
            "mode": recipe.mode,
            "initial weights": initial.name,
            "seed": recipe.seed,
            **trained.facts,
        },
    )
    return CardFacts(
        intended_use=recipe.intended_use,
        data=[*previous.data, data_facts(dataset.card, use="finetune")],
        training=[*previous.training, training],
        metrics=_metrics(evaluation),
        limitations=_limitations(evaluation),
    )


def _metrics(evaluation: EvaluationResult) -> list[MetricFacts]:
    return [
        MetricFacts(
            name=each.metric,
            value=each.value,
            low=each.low,
            high=each.high,
            n=each.n,
            subjects=each.subjects,
            of="this model",
            protocol=f"{split} split, images, bootstrap over subjects",
        )
        for split in ("val", "test")
        for each in evaluation.scores.get(split, {}).values()
        if each.value is not None
    ]


def _limitations(evaluation: EvaluationResult) -> list[str]:
    limitations = []
    cases = evaluation.cases.get("test")
    if cases is None:
        limitations.append("There is no test split: the scores are not independent of training.")
    elif cases.n_subjects < SMALL_SUBJECTS:
        limitations.append(
            f"The test set is small ({cases.n} images of {cases.n_subjects} subjects): "
            "the scores do not generalise to other patients."
        )
    if evaluation.without_threshold:
        limitations.append(
            f"No operating point for {', '.join(evaluation.without_threshold)}: "
            "the validation images do not allow one."
        )
    return limitations
