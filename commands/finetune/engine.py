"""`run(recipe, run) -> Result`: open, train, judge, save, report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.commands.finetune import full, probe
from medfm_cli.commands.finetune.evaluate import judge
from medfm_cli.commands.finetune.initial import open_start
from medfm_cli.commands.finetune.plan import inputs
from medfm_cli.commands.finetune.report import Story, headline, sections, summary
from medfm_cli.commands.finetune.save import save
from medfm_cli.commands.finetune.splits import split_parts
from medfm_cli.data import Dataset
from medfm_cli.runs import Result
from medfm_cli.scoring.images import labelled_images
from medfm_cli.scoring.predictions import FILE
from medfm_cli.training.probing import choose_class_weights

if TYPE_CHECKING:
    from medfm_cli.commands.finetune.recipe import FinetuneRecipe
    from medfm_cli.commands.finetune.splits import Parts
    from medfm_cli.runs import Run

_MODES = {"probe": probe.train, "full": full.train}


def run(recipe: FinetuneRecipe, run: Run) -> Result:
    """Train a classifier and say how good it is, on how little.

    Raises:
        DataError: the dataset or the model cannot be used.
        RunFailed: the training diverged.
        Stopped: a signal came.
    """
    if run.rank and recipe.mode == "probe":
        return Result()  # a probe is too small to share: the first process fits it
    dataset = Dataset.open(recipe.data)
    parts = split_parts(labelled_images(dataset))
    start = open_start(recipe, dataset, run)
    balanced = _balanced(recipe, parts, run)
    trained = _MODES[recipe.mode](recipe, start, dataset, parts, balanced=balanced, run=run)
    if run.rank:
        return Result()
    judged = judge(
        trained,
        dataset,
        parts,
        preprocessing=start.preprocessing,
        draws=recipe.bootstrap,
        seed=recipe.seed,
        run=run,
    )
    config = save(recipe, start, dataset, parts, trained=trained, judged=judged, run=run)
    story = Story(recipe, start, parts, trained, judged, config.parameters)
    return Result(
        metrics=judged.metrics(),
        artefacts={"model": "model", "predictions": FILE},
        sections=sections(story, run),
        summary=summary(story),
        headline=headline(story),
        lineage={"inputs": inputs(recipe), "outputs": {"model": config.weights_sha256}},
    )


def _balanced(recipe: FinetuneRecipe, parts: Parts, run: Run) -> bool:
    counts = parts.images.counts(parts.train)
    balanced, why = choose_class_weights(recipe.class_weights, counts)
    if recipe.class_weights == "auto":
        run.resolve("class_weights", "balanced" if balanced else "none", why)
    return balanced
