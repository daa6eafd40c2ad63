"""The report of an evaluation: protocol, scores, differences, and the limits of the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medfm_cli.commands.eval.error_analysis import error_analysis
from medfm_cli.commands.eval.methods.pixels import PixelRegression
from medfm_cli.metrics import SCORERS
from medfm_cli.runs import Callout, Facts, Section, Table, Text
from medfm_cli.scoring import caveats
from medfm_cli.scoring.charts import forest_figure
from medfm_cli.scoring.tables import (
    CALIBRATION,
    CALIBRATION_CAPTION,
    MAIN,
    difference_table,
    score_table,
)

if TYPE_CHECKING:
    from medfm_cli.commands.eval.candidates import Candidate
    from medfm_cli.commands.eval.comparison import ComparisonResult
    from medfm_cli.commands.eval.methods.base import Method
    from medfm_cli.commands.eval.recipe import EvalRecipe
    from medfm_cli.data import Dataset
    from medfm_cli.runs import Run
    from medfm_cli.runs.blocks import Block, Cell
    from medfm_cli.scoring.images import LabelledImages
    from medfm_cli.scoring.lineage import Overlap


@dataclass(frozen=True)
class ReportContext:
    """The inputs of the report.

    Attributes:
        results: the main comparison first, then the holdout, if there is a second one.
        overlaps: by classifier.
        balanced: whether the training losses balanced the classes.
    """

    recipe: EvalRecipe
    dataset: Dataset
    images: LabelledImages
    candidates: list[Candidate]
    results: list[ComparisonResult]
    overlaps: dict[str, Overlap]
    balanced: bool


def headline(context: ReportContext) -> str:
    """The AUC of the first model, and its difference from random weights."""
    result = context.results[0]
    score = result.comparison.estimate(result.main, "auc")
    text = (
        f"{result.main}: AUC {score.text()} in {_plan_name(result)} "
        f"({score.n} images of {score.subjects} subjects)"
    )
    random = [name for name in result.baselines if name.startswith("random")]
    if not random:
        return text + "."
    difference = result.comparison.difference(result.main, random[0], "auc")
    return (
        f"{text}; compared with random weights {difference.text()}: {caveats.verdict(difference)}."
    )


def summary(context: ReportContext) -> Table:
    """The table at the end of the command: the main comparison, then the held-out test split."""
    tables = [_score_table(result) for result in context.results]
    if len(tables) == 1:
        return tables[0]
    rows = [
        [_short_plan_name(result), *row]
        for result, table in zip(context.results, tables, strict=True)
        for row in table.rows
    ]
    strong = [i for i, row in enumerate(rows) if row[1] in context.recipe.models]
    columns = ["Protocol", *tables[0].columns]
    return Table(columns, rows, "95 % intervals by bootstrap over subjects.", strong=strong)


def sections(context: ReportContext, run: Run) -> list[Section]:
    """The report."""
    main, *others = context.results
    report = [
        Section("Evaluation protocol", _protocol(context)),
        Section("Scores", _scores(context, main, run)),
        Section("Gain over the baselines", _differences(main)),
        Section(f"Error analysis of {main.main}", _error_analysis(context, run)),
    ]
    for result in others:
        blocks = [
            *_held_out(context, result),
            *_scores(context, result, run),
            *_differences(result),
        ]
        report.append(Section("Held-out test split", blocks))
    return report


def _error_analysis(context: ReportContext, run: Run) -> list[Block]:
    return error_analysis(
        context.dataset,
        context.images,
        context.results[0],
        recipe=context.recipe,
        run=run,
    )


def _protocol(context: ReportContext) -> list[Block]:
    result = context.results[0]
    cases = result.cases[result.main]
    blocks: list[Block] = [
        Facts(
            {
                "Protocol": _plan_name(result),
                "Images": cases.n,
                "Subjects": cases.n_subjects,
                "Classes": cases.n_classes,
                "Bootstrap draws": context.recipe.bootstrap,
                "Class weights": "balanced" if context.balanced else "none",
            }
        ),
        caveats.sample_size(cases, of="tested set"),
        Text(_explanation(result)),
    ]
    if result.plan.folds is not None:
        blocks += _folds(context, result)
    else:
        blocks += _held_out(context, result)
    blocks += _pretrained_here(context)
    return blocks


def _explanation(result: ComparisonResult) -> str:
    unit = (
        "The unit is the image: if an image is cut into tiles, their probabilities are averaged. "
        "Confidence intervals come from a bootstrap over subjects, not images. All methods share "
        "the bootstrap draws, so differences are paired. "
    )
    if result.plan.folds is None:
        return unit + (
            "Probes and baselines are trained on the training split. The validation split selects "
            "the epoch of a probe. The test split is only scored."
        )
    return unit + (
        f"The subjects are assigned to {result.plan.folds.count} folds, stratified by class. Each "
        "fold is predicted by methods trained on the other folds, and the predictions of all folds "
        "are scored together. A fold may lack a class, but no training set does. There is no "
        "validation set: probes are used after their last epoch. Intervals reflect the sampling of "
        "subjects, not the choice of folds."
    )


def _folds(context: ReportContext, result: ComparisonResult) -> list[Block]:
    folds = result.plan.folds
    if folds is None:
        return []
    images, cases = context.images, result.cases[result.main]
    right = (cases.truth == cases.predicted).astype(float)
    of_tested = folds.of_image[result.plan.tested]
    rows: list[list[Cell]] = [
        [
            fold + 1,
            images.n_subjects(folds.test(fold)),
            *images.counts(folds.test(fold)),
            images.n_subjects(folds.train(fold)),
            float(right[of_tested == fold].mean()),
        ]
        for fold in range(folds.count)
    ]
    columns = ["Fold", "Subjects tested", *images.classes, "Subjects in training"]
    blocks: list[Block] = [
        Table(
            [*columns, f"Accuracy of {result.main}"],
            rows,
            "Tested images of each class by fold. Accuracies of single folds vary widely.",
        )
    ]
    if folds.untested:
        blocks.append(
            Callout(
                "warn",
                f"{', '.join(folds.untested)}: one subject only. A fold that tests it could not "
                "train on it, so it is always in the training set and is not scored.",
            )
        )
    return blocks


def _held_out(context: ReportContext, result: ComparisonResult) -> list[Block]:
    cases = result.cases[result.main]
    blocks: list[Block] = []
    if result is not context.results[0]:
        blocks += [
            Text(
                "The classifiers were trained once, on the training split, and are scored on the "
                "test split without further training. The other methods are trained on the same "
                "training split."
            ),
            caveats.sample_size(cases, of="test split"),
        ]
    absent = caveats.absent_classes(cases, of="test split")
    blocks += [absent] if absent else []
    return blocks + _training_overlap(context)


def _training_overlap(context: ReportContext) -> list[Block]:
    """Whether the classifiers were trained on test subjects; equal findings share a callout."""
    names_by_overlap: dict[Overlap, list[str]] = {}
    for name, overlap in context.overlaps.items():
        names_by_overlap.setdefault(overlap, []).append(name)
    blocks: list[Block] = []
    for overlap, names in names_by_overlap.items():
        models, was = ", ".join(names), "were" if len(names) > 1 else "was"
        if overlap.known:
            text = f"{models} {was} trained on no subject of the test split"
            blocks.append(Callout("good", f"{text} (by the lineage: {overlap.why})."))
        else:
            text = f"It is not known whether {models} {was} trained on subjects of the test split"
            blocks.append(Callout("warn", f"{text}: {overlap.why}."))
    return blocks


def _pretrained_here(context: ReportContext) -> list[Block]:
    """A note about encoders that were pretrained on images of this dataset."""
    version = context.dataset.version
    names = [
        candidate.name
        for candidate in context.candidates
        if candidate.is_encoder
        and version in {origin.version for origin in candidate.loaded.config.lineage.datasets}
    ]
    if not names:
        return []
    return [
        Callout(
            "note",
            f"{', '.join(names)}: pretrained on images of this dataset, without labels. This is a "
            "legitimate use of unlabelled images, but scores on images of another hospital may be "
            "lower.",
        )
    ]


def _scores(context: ReportContext, result: ComparisonResult, run: Run) -> list[Block]:
    scores = result.scores()
    suffix = "" if result is context.results[0] else "-held-out"
    folder = run.path("figures", "x").parent
    notes = [caveats.perfect_score(name, scores[name]) for name in result.models]
    notes.append(caveats.undefined_draws(scores[result.main]))
    return [
        _score_table(result),
        forest_figure(scores, MAIN, folder, strong=result.main, name=f"scores{suffix}"),
        *(note for note in notes if note is not None),
        score_table(scores, CALIBRATION, caption=CALIBRATION_CAPTION),
        Table(
            ["Method", "Description"],
            [[method.name, _description(method)] for method in result.methods],
            "Methods.",
        ),
    ]


def _score_table(result: ComparisonResult) -> Table:
    return score_table(
        result.scores(),
        MAIN,
        caption=f"{_plan_name(result).capitalize()}; 95 % intervals by bootstrap over subjects.",
        strong=list(range(len(result.models))),
    )


def _description(method: Method) -> str:
    if isinstance(method, PixelRegression) and method.unconverged:
        return (
            f"{method.description} {method.unconverged} fits did not converge within 1000 "
            "iterations."
        )
    return method.description


def _differences(result: ComparisonResult) -> list[Block]:
    differences = result.differences()
    if not differences:
        return [Callout("warn", "The recipe has no baseline to compare the scores with.")]
    blocks: list[Block] = [
        caveats.gain(each, label=SCORERS[each.metric].label)
        for each in differences
        if each.metric == "auc" and each.model == result.main
    ]
    caption = (
        "Paired differences on the same images. Gain or worse: the interval excludes zero. "
        "No gain: it includes zero. The intervals are not corrected for multiple comparisons."
    )
    return [*blocks, difference_table(differences, caption=caption)]


def _plan_name(result: ComparisonResult) -> str:
    folds = result.plan.folds
    return f"{folds.count}-fold cross-validation" if folds else "held-out test split"


def _short_plan_name(result: ComparisonResult) -> str:
    return f"{result.plan.folds.count} folds" if result.plan.folds else "test split"
