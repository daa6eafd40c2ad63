"""What the run tells: what was trained on what, how it went, and what the scores can bear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medfm_cli.metrics import per_class
from medfm_cli.runs import Callout, Facts, Figure, Section, Table, Text, figures
from medfm_cli.scoring import caveats as remarks
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
    from medfm_cli.commands.finetune.evaluate import Judgement
    from medfm_cli.commands.finetune.initial import Start
    from medfm_cli.commands.finetune.recipe import FinetuneRecipe
    from medfm_cli.commands.finetune.splits import Parts
    from medfm_cli.commands.finetune.trained import Trained
    from medfm_cli.runs import Run
    from medfm_cli.runs.blocks import Block, Cell

SMOOTH_FROM = 100


@dataclass(frozen=True)
class Story:
    """Everything there is to tell."""

    recipe: FinetuneRecipe
    start: Start
    parts: Parts
    trained: Trained
    judged: Judgement
    parameters: int

    @property
    def title(self) -> str:
        """The mode and where the weights come from."""
        mode = "Linear probe" if self.recipe.mode == "probe" else "Full fine-tuning"
        return f"{mode} of {self.start.name}"


def headline(story: Story) -> str:
    """One sentence with the main number and what it rests on."""
    part = story.judged.main
    score = story.judged.scores[part]["auc"]
    return (
        f"{story.title}: AUC {score.text()} on {part} "
        f"({score.n} images of {score.subjects} subjects)."
    )


def summary(story: Story) -> Table:
    """The table at the end of the command."""
    scores = {name: s for name, s in story.judged.scores.items() if name != "train"}
    return score_table(scores or story.judged.scores, MAIN, first="Split", caption=story.title)


def sections(story: Story, run: Run) -> list[Section]:
    """The report."""
    return [
        Section("What was trained", _what(story)),
        Section("Training", _training(story, run)),
        Section("Scores", _scores(story, run)),
        Section("Classes and thresholds", _classes(story)),
    ]


def _what(story: Story) -> list[Block]:
    images = story.parts.images
    columns = ["Split", *images.classes, "Images", "Subjects"]
    rows: list[list[Cell]] = [
        [name, *images.counts(part), len(part), images.n_subjects(part)]
        for name, part in story.parts.named().items()
    ]
    blocks: list[Block] = [
        Facts(
            {
                "Start": story.start.name,
                "Mode": story.recipe.mode,
                "Parameters": story.parameters,
                "Trained": story.trained.trainable,
                "Kept": story.trained.chosen,
            }
        ),
        Table(columns, rows, "Labelled images by split and class; no subject is in two splits."),
    ]
    if story.trained.allowed:
        blocks.append(Callout("warn", overridden(story.trained.allowed)))
    if missing := story.parts.without_training():
        text = f"No training image has the class {', '.join(missing)}: it cannot be recognised."
        blocks.append(Callout("warn", text))
    if not len(story.parts.val):
        blocks.append(
            Callout(
                "warn",
                "There is no validation image: the last weights were kept, "
                "and no operating point could be chosen.",
            )
        )
    return blocks


def _training(story: Story, run: Run) -> list[Block]:
    curves = story.trained.curves
    facts = Facts({name.capitalize(): value for name, value in story.trained.facts.items()})
    if not curves:
        return [facts]
    longest = max(len(xs) for xs, _ in curves.values())
    smooth = longest // 20 if longest >= SMOOTH_FROM and story.recipe.mode == "full" else 0
    drawing = figures.line_chart(curves, x=story.trained.x, y="Cross-entropy", smooth=smooth)
    path = run.path("figures", "loss.svg")
    figures.save(drawing, path)
    return [
        facts,
        Figure(
            "figures/loss.svg",
            f"Loss by {story.trained.x.lower()}; kept: {story.trained.chosen}.",
            "Training and validation loss over the run.",
        ),
    ]


def _scores(story: Story, run: Run) -> list[Block]:
    judged = story.judged
    main = judged.cases[judged.main]
    folder = run.path("figures", "x").parent
    found = [
        remarks.size_remark(main, of=f"{judged.main} split"),
        _not_independent(judged),
        remarks.absent_remark(main, of=f"{judged.main} split"),
        remarks.perfect_remark("The model", judged.scores[judged.main]),
        remarks.draws_remark(judged.scores[judged.main]),
    ]
    return [
        *(remark for remark in found if remark is not None),
        score_table(
            judged.scores,
            MAIN,
            first="Split",
            caption="Every image counts once (its tiles are averaged), the most probable class is "
            "the decision. 95 % intervals by bootstrap over subjects. The training split shows "
            "how well the data were fitted, not how good the model is.",
        ),
        score_table(judged.scores, CALIBRATION, first="Split", caption=CALIBRATION_CAPTION),
        confusion_figure(main, folder, name="confusion", of=f"the {judged.main} split"),
        reliability_figure(main, folder, name="reliability", of=f"the {judged.main} split"),
    ]


def _not_independent(judged: Judgement) -> Callout | None:
    if judged.main == "test":
        return None
    return Callout(
        "warn",
        f"There is no test split. The {judged.main} images took part in making the model: "
        "their scores are too good.",
    )


def _classes(story: Story) -> list[Block]:
    judged = story.judged
    recipe = story.recipe
    scores = per_class(judged.cases[judged.main], draws=recipe.bootstrap, seed=recipe.seed)
    blocks: list[Block] = [
        class_table(scores, caption=f"Each class on its own, on the {judged.main} split.")
    ]
    if judged.points:
        rows: list[list[Cell]] = [
            [point.label, point.threshold, point.value, point.n] for point in judged.points
        ]
        blocks += [
            Text(
                "Operating points: the probability from which on a class is called, chosen on the "
                "validation images by the highest Matthews correlation, one class against the rest."
            ),
            Table(["Class", "Threshold", "MCC there", "Validation images"], rows),
        ]
    if judged.without_point:
        names = ", ".join(judged.without_point)
        blocks.append(
            Callout(
                "note",
                f"No operating point for {names}: the validation images lack it or everything "
                "else, or no threshold is better than chance on them.",
            )
        )
    return blocks
