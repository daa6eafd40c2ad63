"""`run(recipe, run) -> Result`: choose a protocol, evaluate all methods, compare, report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medfm_cli.commands.eval import protocol
from medfm_cli.commands.eval.candidates import EvaluationSetup, load_candidates
from medfm_cli.commands.eval.comparison import ComparisonResult, evaluate
from medfm_cli.commands.eval.cutting import check_cutting
from medfm_cli.commands.eval.gate import gate
from medfm_cli.commands.eval.overlaps import check_overlaps
from medfm_cli.commands.eval.plan import inputs
from medfm_cli.commands.eval.report import ReportContext, headline, sections, summary
from medfm_cli.data import Dataset
from medfm_cli.runs import Result
from medfm_cli.scoring.images import labelled_images
from medfm_cli.scoring.predictions import FILE, write_predictions
from medfm_cli.scoring.probes import resolve_class_weights

if TYPE_CHECKING:
    from medfm_cli.commands.eval.methods.base import Method
    from medfm_cli.commands.eval.recipe import EvalRecipe
    from medfm_cli.runs import Run
    from medfm_cli.scoring.images import LabelledImages


def run(recipe: EvalRecipe, run: Run) -> Result:
    """Compare every model with the baselines.

    Raises:
        DataError: the dataset or a model cannot be used, they do not fit each other, or there are
            too few subjects.
        UsageError: the protocol does not fit the models.
        Stopped: a signal came.
    """
    dataset = Dataset.open(recipe.data)
    images = labelled_images(dataset)
    candidates = load_candidates(recipe)
    check_cutting(candidates, dataset, images)
    protocol_name = protocol.choose_protocol(
        recipe, images, encoders=any(candidate.is_encoder for candidate in candidates), run=run
    )
    balanced = _balanced(recipe, images, protocol_name, run)
    overlaps = check_overlaps(candidates, dataset, images)
    setup = EvaluationSetup(recipe, dataset, images, candidates, balanced, run)
    results = _compare(setup, protocol_name)
    predictions = [each for result in results for each in result.predictions()]
    write_predictions(run.path(FILE), images, predictions)
    context = ReportContext(
        recipe, dataset, images, candidates, results, overlaps, balanced=balanced
    )
    return Result(
        metrics=_metrics(results),
        artefacts={"predictions": FILE},
        sections=sections(context, run),
        summary=summary(context),
        headline=headline(context),
        lineage={"inputs": inputs(recipe)},
        gate=gate(recipe, results),
    )


def _compare(setup: EvaluationSetup, protocol_name: str) -> list[ComparisonResult]:
    """The main comparison; with cross-validation, a holdout for models that cannot be refitted."""
    if protocol_name == "holdout":
        return [_evaluate(setup, protocol.holdout(setup.images), [])]
    plan = protocol.cross_validation(setup.recipe, setup.images, setup.run)
    results = [_evaluate(setup, plan, setup.encoders)]
    classifiers = any(not candidate.is_encoder for candidate in setup.candidates)
    if classifiers and protocol.can_hold_out(setup.images):
        results.append(_evaluate(setup, protocol.holdout(setup.images), []))
    return results


def _evaluate(
    setup: EvaluationSetup, plan: protocol.ResamplingPlan, models: list[Method]
) -> ComparisonResult:
    """Evaluate models and baselines under a plan; [] means all of the recipe's models."""
    if not models:
        order = list(setup.recipe.models)
        models = sorted([*setup.encoders, *setup.classifiers], key=lambda m: order.index(m.name))
    return evaluate(
        plan,
        [*models, *setup.baselines(plan)],
        setup.images,
        draws=setup.recipe.bootstrap,
        seed=setup.recipe.seed,
        run=setup.run,
    )


def _balanced(recipe: EvalRecipe, images: LabelledImages, protocol_name: str, run: Run) -> bool:
    if recipe.class_weights == "auto" and protocol_name == "cross-validation":
        # Otherwise a class with many images in the test fold is rare in its training images, and
        # pooled scores suffer.
        why = "cross-validation: class frequencies differ between the training sets of the folds"
        run.resolve("class_weights", "balanced", why)
        return True
    training = images.of_split("train") if protocol_name == "holdout" else None
    return resolve_class_weights(recipe.class_weights, images.counts(training), run)


def _metrics(results: list[ComparisonResult]) -> dict[str, Any]:
    first, *rest = (result.metrics() for result in results)
    return {**first, "holdout": rest[0]} if rest else first
