"""Looks at an encoder while it is trained; see `watch.Watch`."""

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
    from medfm_cli.commands.pretrain.feature_evaluation import Judge
    from medfm_cli.commands.pretrain.feature_statistics import Probe
    from medfm_cli.commands.pretrain.monitor_options import Watch
    from medfm_cli.commands.pretrain.objectives.base import Objective
    from medfm_cli.metrics import Cases
    from medfm_cli.runs import Run
    from medfm_cli.training.options import FitOptions


class Onlooker:
    """Called by the training loop every so many steps, with the task in evaluation mode."""

    def __init__(
        self, watch: Watch, probe: Probe, judge: Judge | None, run: Run, *, steps: int
    ) -> None:
        self._watch = watch
        self._probe = probe
        self._judge = judge
        self._run = run
        self._steps = steps

    def __call__(self, task: Objective, step: int, values: Mapping[str, float]) -> None:
        """Measure, write down, and say what is alarming.

        Raises:
            RunFailed: the features have collapsed and the recipe asks to stop then.
        """
        spread = self._probe.spread(task)
        found = alarms(
            spread, values, highest=task.highest_entropy, progress=step / max(1, self._steps)
        )
        looked: dict[str, Any] = {
            "features_std": spread.std,
            "features_effective_rank": spread.effective_rank,
            "alarms": found,
        }
        if ENTROPY in values:
            looked[ENTROPY] = values[ENTROPY]
        if self._judge is not None:
            for way, cases in self._judge.cases(task).items():
                looked |= {f"{way}_{name}": value for name, value in points(cases).items()}
        self._run.metric(step=step, looked=looked)
        for alarm in found:
            self._run.log("alarm", step=step, alarm=alarm)
            self._run.console.warn(f"step {step}: {alarm}")
        if found and self._watch.on_collapse == "stop":
            raise RunFailed(
                f"the training was ended at step {step}: {found[0]}",
                hint="lower optimiser.learning_rate, use a larger batch or another objective; "
                "watch.on_collapse=warn goes on in spite of it",
            )


def choose_look_steps(watch: Watch, options: FitOptions, *, samples: int) -> int:
    """Settle the steps between looks."""
    if watch.every == "auto":
        return max(1, options.steps // 10)
    return max(1, round(watch.every * (samples // options.batch)))


def points(cases: Cases) -> dict[str, float]:
    """The metrics of some cases, without intervals."""
    return {name: unit(SCORERS[name].prepare(cases), cases.n) for name in METRICS}


def looks(run: Run) -> list[tuple[int, dict[str, Any]]]:
    """Every look of a run, (step, what was measured); one repeated after a stop counts once."""
    found = {
        record["step"]: record["looked"]
        for record in read_jsonl(run.path("metrics.jsonl"))
        if record.get("looked") is not None
    }
    return sorted(found.items())
