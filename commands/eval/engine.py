"""`run(recipe, run) -> Result`: choose a protocol, let all methods predict, compare, report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medfm_cli.commands.eval import protocol
from medfm_cli.commands.eval.candidates import Contest, open_entrants
from medfm_cli.commands.eval.comparison import Board, hold
from medfm_cli.commands.eval.gate import gate
from medfm_cli.commands.eval.overlaps import check_overlaps
from medfm_cli.commands.eval.plan import inputs
from medfm_cli.commands.eval.report import Story, headline, sections, summary
from medfm_cli.data import Dataset
from medfm_cli.runs import Result
from medfm_cli.scoring.images import labelled_images
from medfm_cli.scoring.predictions import FILE, write_predictions
from medfm_cli.training.probing import choose_class_weights

if TYPE_CHECKING:
    from medfm_cli.commands.eval.methods.base import Method
    from medfm_cli.commands.eval.recipe import EvalRecipe
    from medfm_cli.runs import Run
    from medfm_cli.scoring.images import LabelledImages


def run(recipe: EvalRecipe, run: Run) -> Result:
    """Score every model beside the baselines.

    Raises:
        DataError: the dataset or a model cannot be used, or there are too few subjects.
        UsageError: the protocol does not fit the models.
        Stopped: a signal came.
    """
    dataset = Dataset.open(recipe.data)
    images = labelled_images(dataset)
    entrants = open_entrants(recipe)
    chosen = protocol.choose_protocol(
        recipe, images, encoders=any(entrant.is_encoder for entrant in entrants), run=run
    )
    balanced = _balanced(recipe, images, chosen, run)
    overlaps = check_overlaps(entrants, dataset, images)
    contest = Contest(recipe, dataset, images, entrants, balanced, run)
    boards = _boards(contest, chosen)
    write_predictions(run.path(FILE), images, [p for b in boards for p in b.predictions()])
    story = Story(recipe, dataset, images, entrants, boards, overlaps, balanced=balanced)
    return Result(
        metrics=_metrics(boards),
        artefacts={"predictions": FILE},
        sections=sections(story, run),
        summary=summary(story),
        headline=headline(story),
        lineage={"inputs": inputs(recipe)},
        gate=gate(recipe, boards),
    )


def _boards(contest: Contest, chosen: str) -> list[Board]:
    """The main trial, and in cross-validation a second one for what cannot be trained again."""
    if chosen == "holdout":
        return [_hold(contest, protocol.holdout(contest.images), [])]
    trial = protocol.cross_validation(contest.recipe, contest.images, contest.run)
    boards = [_hold(contest, trial, contest.encoders)]
    classifiers = any(not entrant.is_encoder for entrant in contest.entrants)
    if classifiers and protocol.can_hold_out(contest.images):
        boards.append(_hold(contest, protocol.holdout(contest.images), []))
    return boards


def _hold(contest: Contest, trial: protocol.Trial, models: list[Method]) -> Board:
    """Hold a trial; without `models` all of the recipe's take part, in its order."""
    if not models:
        order = list(contest.recipe.models)
        models = sorted(
            [*contest.encoders, *contest.classifiers], key=lambda m: order.index(m.name)
        )
    return hold(
        trial,
        [*models, *contest.baselines(trial)],
        contest.images,
        draws=contest.recipe.bootstrap,
        seed=contest.recipe.seed,
        run=contest.run,
    )


def _balanced(recipe: EvalRecipe, images: LabelledImages, chosen: str, run: Run) -> bool:
    if recipe.class_weights == "auto" and chosen == "cross-validation":
        # Else a class that a fold tests is rarer in its training, and pooled scores suffer.
        why = "cross-validation: training sides differ in their class frequencies"
        run.resolve("class_weights", "balanced", why)
        return True
    counts = images.counts(images.of_split("train") if chosen == "holdout" else None)
    balanced, why = choose_class_weights(recipe.class_weights, counts)
    if recipe.class_weights == "auto":
        run.resolve("class_weights", "balanced" if balanced else "none", why)
    return balanced


def _metrics(boards: list[Board]) -> dict[str, Any]:
    first, *rest = (board.metrics() for board in boards)
    return {**first, "holdout": rest[0]} if rest else first
