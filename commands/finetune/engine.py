"""`run(recipe, run) -> Result`: load, train, evaluate, save, report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.commands.finetune import full, probe
from medfm_cli.commands.finetune.evaluate import evaluate
from medfm_cli.commands.finetune.initial import load_initial_model
from medfm_cli.commands.finetune.plan import inputs
from medfm_cli.commands.finetune.report import ReportContext, headline, sections, summary
from medfm_cli.commands.finetune.save import save
from medfm_cli.data import Dataset
from medfm_cli.runs import Result
from medfm_cli.scoring.images import labelled_images
from medfm_cli.scoring.predictions import FILE
from medfm_cli.scoring.probes import resolve_class_weights
from medfm_cli.scoring.splits import check_subjects, dataset_splits

if TYPE_CHECKING:
    from medfm_cli.commands.finetune.recipe import FinetuneRecipe
    from medfm_cli.runs import Run

_MODES = {"probe": probe.train, "full": full.train}


def run(recipe: FinetuneRecipe, run: Run) -> Result:
    """Train a classifier and evaluate it.

    Raises:
        DataError: the dataset or the model cannot be used.
        RunFailed: the training diverged.
        Stopped: a signal came.
    """
    if run.rank and recipe.mode == "probe":
        return Result()  # a probe is too small to share: the first process fits it
    dataset = Dataset.open(recipe.data)
    splits = dataset_splits(labelled_images(dataset))
    check_subjects(splits)
    initial = load_initial_model(recipe, dataset, run)
    counts = splits.images.counts(splits.train)
    balanced = resolve_class_weights(recipe.class_weights, counts, run)
    trained = _MODES[recipe.mode](recipe, initial, dataset, splits, balanced=balanced, run=run)
    if run.rank:
        return Result()
    evaluation = evaluate(
        trained,
        dataset,
        splits,
        preprocessing=initial.preprocessing,
        draws=recipe.bootstrap,
        seed=recipe.seed,
        run=run,
    )
    config = save(recipe, initial, dataset, splits, trained=trained, evaluation=evaluation, run=run)
    context = ReportContext(recipe, initial, splits, trained, evaluation, config.parameters)
    return Result(
        metrics=evaluation.metrics(),
        artefacts={"model": "model", "predictions": FILE},
        sections=sections(context, run),
        summary=summary(context),
        headline=headline(context),
        lineage={"inputs": inputs(recipe), "outputs": {"model": config.weights_sha256}},
    )
