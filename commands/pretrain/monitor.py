"""Evaluating an encoder during training; the keys are those of `Monitor`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from medfm_cli.commands.pretrain.alarms import ENTROPY, alarms
from medfm_cli.commands.pretrain.feature_evaluation import METRICS
from medfm_cli.errors import RunFailed
from medfm_cli.metrics import SCORERS
from medfm_cli.metrics.weighting import unit
from medfm_cli.runs.run import read_jsonl

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.feature_evaluation import FeatureEvaluator
    from medfm_cli.commands.pretrain.feature_statistics import EvaluationSamples
    from medfm_cli.commands.pretrain.monitor_options import Monitor
    from medfm_cli.commands.pretrain.objectives.base import Objective
    from medfm_cli.metrics import Cases
    from medfm_cli.runs import Run
    from medfm_cli.training.options import FitOptions


class EvalCallback:
    """Called by the training loop every so many steps, with the task in evaluation mode."""

    def __init__(
        self,
        monitor: Monitor,
        eval_samples: EvaluationSamples,
        evaluator: FeatureEvaluator | None,
        run: Run,
        *,
        steps: int,
    ) -> None:
        self._monitor = monitor
        self._eval_samples = eval_samples
        self._evaluator = evaluator
        self._run = run
        self._steps = steps

    def __call__(self, task: Objective, step: int, values: Mapping[str, float]) -> None:
        """Measure, record, and warn of collapse.

        Raises:
            RunFailed: the features have collapsed and the recipe says `on_collapse: stop`.
        """
        spread = self._eval_samples.spread(task)
        warnings = alarms(
            spread, values, highest=task.highest_entropy, progress=step / max(1, self._steps)
        )
        evaluation: dict[str, Any] = {
            "features_std": spread.std,
            "features_effective_rank": spread.effective_rank,
            "alarms": warnings,
        }
        if ENTROPY in values:
            evaluation[ENTROPY] = values[ENTROPY]
        if self._evaluator is not None:
            for method, cases in self._evaluator.cases(task).items():
                evaluation |= {f"{method}_{name}": value for name, value in points(cases).items()}
        self._run.metric(step=step, evaluation=evaluation)
        for alarm in warnings:
            self._run.log("alarm", step=step, alarm=alarm)
            self._run.console.warn(f"step {step}: {alarm}")
        if warnings and self._monitor.on_collapse == "stop":
            raise RunFailed(
                f"training stopped at step {step}: {warnings[0]}",
                hint="lower optimiser.learning_rate, use a larger batch or another objective; "
                "monitor.on_collapse=warn continues after an alarm",
            )


def resolve_eval_steps(monitor: Monitor, options: FitOptions, *, samples: int) -> int:
    """Resolve the steps between evaluations."""
    if monitor.every == "auto":
        return max(1, options.steps // 10)
    return max(1, round(monitor.every * (samples // options.batch)))


def points(cases: Cases) -> dict[str, float]:
    """The metrics of some cases, without intervals."""
    return {name: unit(SCORERS[name].prepare(cases), cases.n) for name in METRICS}


def evaluations(run: Run) -> list[tuple[int, dict[str, Any]]]:
    """Every evaluation of a run, (step, values); one repeated after a resume counts once."""
    records = {
        record["step"]: record["evaluation"]
        for record in read_jsonl(run.path("metrics.jsonl"))
        if record.get("evaluation") is not None
    }
    return sorted(records.items())
