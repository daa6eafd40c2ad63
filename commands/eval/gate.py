"""The thresholds that a recipe sets for the first model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.metrics import SCORERS

if TYPE_CHECKING:
    from medfm_cli.commands.eval.comparison import ComparisonResult
    from medfm_cli.commands.eval.recipe import EvalRecipe


def gate(recipe: EvalRecipe, results: list[ComparisonResult]) -> str | None:
    """Why the gate is not met; None if it is met or the recipe sets none."""
    model = next(iter(recipe.models))
    result = next((result for result in results if model in result.cases), None)
    if result is None:
        return f"{model} could not be scored" if recipe.gate else None
    failures = (_failure(result, model, metric, limit) for metric, limit in recipe.gate.items())
    return "; ".join(failure for failure in failures if failure) or None


def _failure(result: ComparisonResult, model: str, metric: str, limit: float) -> str | None:
    scorer = SCORERS[metric]
    value = result.comparison.estimate(model, metric).value
    if value is None:
        return f"{scorer.label} of {model} cannot be computed on these images"
    if scorer.higher_is_better and value < limit:
        return f"{scorer.label} of {model} is {value:.3f}, below {limit:g}"
    if not scorer.higher_is_better and value > limit:
        return f"{scorer.label} of {model} is {value:.3f}, above {limit:g}"
    return None
