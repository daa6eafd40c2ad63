"""The thresholds that a recipe sets for the first model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.metrics import SCORERS

if TYPE_CHECKING:
    from medfm_cli.commands.eval.comparison import Board
    from medfm_cli.commands.eval.recipe import EvalRecipe


def gate(recipe: EvalRecipe, boards: list[Board]) -> str | None:
    """Why the gate is not met, None when it is (or when there is none)."""
    model = next(iter(recipe.models))
    board = next((board for board in boards if model in board.cases), None)
    if board is None:
        return f"{model} could not be scored" if recipe.gate else None
    missed = (_missed(board, model, metric, limit) for metric, limit in recipe.gate.items())
    return "; ".join(told for told in missed if told) or None


def _missed(board: Board, model: str, metric: str, limit: float) -> str | None:
    scorer = SCORERS[metric]
    value = board.comparison.estimate(model, metric).value
    if value is None:
        return f"{scorer.label} of {model} cannot be computed on these images"
    if scorer.higher_is_better and value < limit:
        return f"{scorer.label} of {model} is {value:.3f}, below {limit:g}"
    if not scorer.higher_is_better and value > limit:
        return f"{scorer.label} of {model} is {value:.3f}, above {limit:g}"
    return None
