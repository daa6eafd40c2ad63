"""The report of a fine-tuning: data, training, scores and the limits of the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medfm_cli.metrics import per_class
from medfm_cli.runs import Callout, Facts, Figure, Section, Table, Text, figures
from medfm_cli.scoring import caveats
from medfm_cli.scoring.charts import confusion_figure, reliability_figure
from medfm_cli.scoring.tables import (
    CALIBRATION,
    CALIBRATION_CAPTION,
    MAIN,
    class_table,
    score_table,
)
from medfm_cli.training.safety import overridden

if TYPE_CHECKING:
    from medfm_cli.commands.finetune.evaluate import EvaluationResult
    from medfm_cli.commands.finetune.initial import InitialModel
    from medfm_cli.commands.finetune.recipe import FinetuneRecipe
    from medfm_cli.commands.finetune.trained import TrainedClassifier
    from medfm_cli.runs import Run
    from medfm_cli.runs.blocks import Block, Cell
    from medfm_cli.scoring.splits import SplitIndices

SMOOTH_FROM = 100


@dataclass(frozen=True)
class ReportContext:
    """The inputs of the report."""

    recipe: FinetuneRecipe
    initial: InitialModel
    splits: SplitIndices
    trained: TrainedClassifier
    evaluation: EvaluationResult
    parameters: int

    @property
    def title(self) -> str:
        """The mode and the initial weights."""
        mode = "Linear probe" if self.recipe.mode == "probe" else "Full fine-tuning"
        return f"{mode} of {self.initial.name}"


def headline(context: ReportContext) -> str:
    """The AUC, with the number of images and subjects."""
    split = context.evaluation.main
    score = context.evaluation.scores[split]["auc"]
    return (
        f"{context.title}: AUC {score.text()} on {split} "
        f"({score.n} images of {score.subjects} subjects)."
    )


def summary(context: ReportContext) -> Table:
    """The table at the end of the command."""
    scores = {name: s for name, s in context.evaluation.scores.items() if name != "train"}
    return score_table(
        scores or context.evaluation.scores, MAIN, first="Split", caption=context.title
    )


def sections(context: ReportContext, run: Run) -> list[Section]:
    """The report."""
    return [
        Section("Model and data", _model_and_data(context)),
        Section("Training", _training(context, run)),
        Section("Scores", _scores(context, run)),
        Section("Classes and thresholds", _classes(context)),
    ]


def _model_and_data(context: ReportContext) -> list[Block]:
    images = context.splits.images
    columns = ["Split", *images.classes, "Images", "Subjects"]
    rows: list[list[Cell]] = [
        [name, *images.counts(split), len(split), images.n_subjects(split)]
        for name, split in context.splits.named().items()
    ]
    blocks: list[Block] = [
        Facts(
            {
                "Initial weights": context.initial.name,
                "Mode": context.recipe.mode,
                "Parameters": context.parameters,
                "Trained parameters": context.trained.trainable,
                "Kept weights": context.trained.selection,
            }
        ),
        Table(columns, rows, "Labelled images by split and class; no subject is in two splits."),
    ]
    if hazards := context.trained.overridden_hazards:
        blocks.append(Callout("warn", overridden(hazards)))
    if missing := context.splits.untrained_classes():
        text = f"No training image has the class {', '.join(missing)}: the model cannot predict it."
        blocks.append(Callout("warn", text))
    if not len(context.splits.val):
        blocks.append(
            Callout(
                "warn",
                "There is no validation image: the last weights are kept, and no operating point "
                "can be selected.",
            )
        )
    return blocks


def _training(context: ReportContext, run: Run) -> list[Block]:
    curves = context.trained.curves
    facts = Facts({name.capitalize(): value for name, value in context.trained.facts.items()})
    if not curves:
        return [facts]
    longest = max(len(xs) for xs, _ in curves.values())
    smooth = longest // 20 if longest >= SMOOTH_FROM and context.recipe.mode == "full" else 0
    drawing = figures.line_chart(
        curves, x=context.trained.x_label, y="Cross-entropy", smooth=smooth
    )
    path = run.path("figures", "loss.svg")
    figures.save(drawing, path)
    return [
        facts,
        Figure(
            "figures/loss.svg",
            f"Loss by {context.trained.x_label.lower()}; kept: {context.trained.selection}.",
            "Training and validation loss over the run.",
        ),
    ]


def _scores(context: ReportContext, run: Run) -> list[Block]:
    evaluation = context.evaluation
    main = evaluation.cases[evaluation.main]
    folder = run.path("figures", "x").parent
    notes = [
        caveats.sample_size(main, of=f"{evaluation.main} split"),
        _not_independent(evaluation),
        caveats.absent_classes(main, of=f"{evaluation.main} split"),
        caveats.perfect_score("The model", evaluation.scores[evaluation.main]),
        caveats.undefined_draws(evaluation.scores[evaluation.main]),
    ]
    return [
        *(note for note in notes if note is not None),
        score_table(
            evaluation.scores,
            MAIN,
            first="Split",
            caption="Scores by split. Tiles of an image are averaged; the prediction is the most "
            "probable class. 95 % intervals by bootstrap over subjects. Scores of the training "
            "split show the fit to the data, not the quality of the model.",
        ),
        score_table(evaluation.scores, CALIBRATION, first="Split", caption=CALIBRATION_CAPTION),
        confusion_figure(main, folder, name="confusion", of=f"the {evaluation.main} split"),
        reliability_figure(main, folder, name="reliability", of=f"the {evaluation.main} split"),
    ]


def _not_independent(evaluation: EvaluationResult) -> Callout | None:
    if evaluation.main == "test":
        return None
    return Callout(
        "warn",
        f"There is no test split. The {evaluation.main} images were used to make the model: "
        "their scores are too good.",
    )


def _classes(context: ReportContext) -> list[Block]:
    evaluation = context.evaluation
    recipe = context.recipe
    scores = per_class(evaluation.cases[evaluation.main], draws=recipe.bootstrap, seed=recipe.seed)
    blocks: list[Block] = [
        class_table(scores, caption=f"Scores by class on the {evaluation.main} split.")
    ]
    if evaluation.operating_points:
        rows: list[list[Cell]] = [
            [point.label, point.threshold, point.value, point.n]
            for point in evaluation.operating_points
        ]
        blocks += [
            Text(
                "Operating points: the probability threshold of each class, selected on the "
                "validation images by the highest Matthews correlation, one class against the rest."
            ),
            Table(["Class", "Threshold", "Validation MCC", "Validation images"], rows),
        ]
    if evaluation.without_threshold:
        names = ", ".join(evaluation.without_threshold)
        blocks.append(
            Callout(
                "note",
                f"No operating point for {names}: the validation images lack this class or all "
                "others, or no threshold is better than chance.",
            )
        )
    return blocks
