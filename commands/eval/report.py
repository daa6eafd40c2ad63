"""What the evaluation tells, and how much of it can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medfm_cli.commands.eval.error_analysis import closeup
from medfm_cli.commands.eval.methods.pixels import Pixels
from medfm_cli.metrics import SCORERS
from medfm_cli.runs import Callout, Facts, Section, Table, Text
from medfm_cli.scoring import caveats as remarks
from medfm_cli.scoring.charts import forest_figure
from medfm_cli.scoring.tables import (
    CALIBRATION,
    CALIBRATION_CAPTION,
    MAIN,
    difference_table,
    score_table,
)

if TYPE_CHECKING:
    from medfm_cli.commands.eval.candidates import Entrant
    from medfm_cli.commands.eval.comparison import Board
    from medfm_cli.commands.eval.recipe import EvalRecipe
    from medfm_cli.data import Dataset
    from medfm_cli.runs import Run
    from medfm_cli.runs.blocks import Block, Cell
    from medfm_cli.scoring.images import LabelledImages
    from medfm_cli.scoring.lineage import Overlap


@dataclass(frozen=True)
class Story:
    """Everything there is to tell."""

    recipe: EvalRecipe
    dataset: Dataset
    images: LabelledImages
    entrants: list[Entrant]
    boards: list[Board]
    overlaps: dict[str, Overlap]
    balanced: bool


def headline(story: Story) -> str:
    """The first model, its AUC and whether it is better than its random-weight twin."""
    board = story.boards[0]
    score = board.comparison.estimate(board.main, "auc")
    told = (
        f"{board.main}: AUC {score.text()} in {_trial(board)} "
        f"({score.n} images of {score.subjects} subjects)"
    )
    twins = [name for name in board.baselines if name.startswith("random")]
    if not twins:
        return told + "."
    difference = board.comparison.difference(board.main, twins[0], "auc")
    return f"{told}; beside random weights {difference.text()}: {remarks.verdict(difference)}."


def summary(story: Story) -> Table:
    """The table at the end of the command: the main trial, and the held-out one under it."""
    tables = [_score_table(board) for board in story.boards]
    if len(tables) == 1:
        return tables[0]
    rows = [
        [_short_trial(board), *row]
        for board, table in zip(story.boards, tables, strict=True)
        for row in table.rows
    ]
    strong = [i for i, row in enumerate(rows) if row[1] in story.recipe.models]
    columns = ["Trial", *tables[0].columns]
    return Table(columns, rows, "95 % intervals by bootstrap over subjects.", strong=strong)


def sections(story: Story, run: Run) -> list[Section]:
    """The report."""
    first, *rest = story.boards
    found = [
        Section("How it was tested", _how(story)),
        Section("Scores", _scores(story, first, run)),
        Section("What the models add", _differences(first)),
        Section(f"{first.main} in detail", _closeup(story, run)),
    ]
    for board in rest:
        blocks = [*_held_out(story, board), *_scores(story, board, run), *_differences(board)]
        found.append(Section("The held-out test split", blocks))
    return found


def _closeup(story: Story, run: Run) -> list[Block]:
    return closeup(
        story.dataset,
        story.images,
        story.boards[0],
        recipe=story.recipe,
        run=run,
    )


def _how(story: Story) -> list[Block]:
    board = story.boards[0]
    cases = board.cases[board.main]
    blocks: list[Block] = [
        Facts(
            {
                "Protocol": _short_trial(board),
                "Images": cases.n,
                "Subjects": cases.n_subjects,
                "Classes": cases.n_classes,
                "Bootstrap draws": story.recipe.bootstrap,
                "Classes weighted": "alike" if story.balanced else "by their frequency",
            }
        ),
        remarks.size_remark(cases, of="tested set"),
        Text(_explained(board)),
    ]
    if board.trial.folds is not None:
        blocks += _folds(story, board)
    else:
        blocks += _held_out(story, board)
    blocks += _pretrained_here(story)
    return blocks


def _explained(board: Board) -> str:
    unit = (
        "The unit is the image: where an image was cut into tiles their probabilities are "
        "averaged. Intervals come from a bootstrap that draws subjects, not images; all methods "
        "share the draws, so differences are paired. "
    )
    if board.trial.folds is None:
        return unit + (
            "Methods that learn here (probes, baselines) learn from the training split; the "
            "validation split picks a probe's epoch; the test split is only scored."
        )
    return unit + (
        f"The subjects were dealt to {board.trial.folds.count} folds, alike in their classes. "
        "Each fold is predicted by methods that learnt from the other folds, and the predictions "
        "of all folds are scored together. A fold may lack a class, but no training side does. "
        "There is no validation side: probes are taken after their last epoch. The intervals show "
        "which subjects happened to be tested, not how else the folds might have been dealt."
    )


def _folds(story: Story, board: Board) -> list[Block]:
    folds = board.trial.folds
    if folds is None:
        return []
    images, cases = story.images, board.cases[board.main]
    right = (cases.truth == cases.predicted).astype(float)
    of_tested = folds.of_image[board.trial.tested]
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
            [*columns, f"Accuracy of {board.main}"],
            rows,
            "Tested images of each class by fold. Accuracies of single folds scatter widely.",
        )
    ]
    if folds.untested:
        blocks.append(
            Callout(
                "warn",
                f"{', '.join(folds.untested)}: one subject only. A fold that tested it could not "
                "train on it, so it stays in training and is not scored.",
            )
        )
    return blocks


def _held_out(story: Story, board: Board) -> list[Block]:
    cases = board.cases[board.main]
    blocks: list[Block] = []
    if board is not story.boards[0]:
        blocks += [
            Text(
                "Classifiers were trained once, on the training split, and are scored here on the "
                "test split as they are. The other methods learn from the same training split."
            ),
            remarks.size_remark(cases, of="test split"),
        ]
    absent = remarks.absent_remark(cases, of="test split")
    blocks += [absent] if absent else []
    return blocks + _trained_on(story)


def _trained_on(story: Story) -> list[Block]:
    """Say whether the classifiers saw subjects of the test split, those alike in one remark."""
    alike: dict[Overlap, list[str]] = {}
    for name, each in story.overlaps.items():
        alike.setdefault(each, []).append(name)
    blocks: list[Block] = []
    for each, names in alike.items():
        who, was = ", ".join(names), "were" if len(names) > 1 else "was"
        if each.known:
            text = f"{who} {was} trained on no subject of the test split"
            blocks.append(Callout("good", f"{text} ({each.why}; the lineage says so)."))
        else:
            text = f"Whether {who} {was} trained on subjects of the test split is not known"
            blocks.append(Callout("warn", f"{text}: {each.why}."))
    return blocks


def _pretrained_here(story: Story) -> list[Block]:
    """Say when an encoder saw images of this dataset, if only without labels."""
    version = story.dataset.version
    names = [
        entrant.name
        for entrant in story.entrants
        if entrant.is_encoder
        and version in {origin.version for origin in entrant.loaded.config.lineage.datasets}
    ]
    if not names:
        return []
    return [
        Callout(
            "note",
            f"{', '.join(names)}: pretrained on images of this very dataset, without labels. "
            "That is a fair use of unlabelled images, but scores on another hospital's images "
            "may be lower.",
        )
    ]


def _scores(story: Story, board: Board, run: Run) -> list[Block]:
    scores = board.scores()
    suffix = "" if board is story.boards[0] else "-held-out"
    folder = run.path("figures", "x").parent
    found = [remarks.perfect_remark(name, scores[name]) for name in board.models]
    found.append(remarks.draws_remark(scores[board.main]))
    return [
        _score_table(board),
        forest_figure(scores, MAIN, folder, strong=board.main, name=f"scores{suffix}"),
        *(remark for remark in found if remark is not None),
        score_table(scores, CALIBRATION, caption=CALIBRATION_CAPTION),
        Table(
            ["Method", "What it is"],
            [[method.name, _about(method)] for method in board.methods],
            "The methods.",
        ),
    ]


def _score_table(board: Board) -> Table:
    return score_table(
        board.scores(),
        MAIN,
        caption=f"{_trial(board).capitalize()}; 95 % intervals by bootstrap over subjects.",
        strong=list(range(len(board.models))),
    )


def _about(method: object) -> str:
    text = str(getattr(method, "about", ""))
    if isinstance(method, Pixels) and method.unfinished:
        text += f" {method.unfinished} fits did not converge within 1000 iterations."
    return text


def _differences(board: Board) -> list[Block]:
    found = board.differences()
    if not found:
        return [Callout("warn", "No baseline was asked for: the scores stand alone.")]
    blocks: list[Block] = [
        remarks.gain_remark(each, label=SCORERS[each.metric].label)
        for each in found
        if each.metric == "auc" and each.model == board.main
    ]
    caption = (
        "Differences on the same images. Gain or worse: the interval lies on one side of zero. "
        "No gain: it holds zero. The intervals are not corrected for several comparisons."
    )
    return [*blocks, difference_table(found, caption=caption)]


def _trial(board: Board) -> str:
    folds = board.trial.folds
    return f"{folds.count}-fold cross-validation" if folds else "held-out test split"


def _short_trial(board: Board) -> str:
    return f"{board.trial.folds.count} folds" if board.trial.folds else "test split"
