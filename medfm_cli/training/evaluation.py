"""What measures a model while it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from medfm_cli.training.sharding import gather_weights

if TYPE_CHECKING:
    from medfm_cli.training.meter import Meter
    from medfm_cli.training.options import FitOptions
    from medfm_cli.training.scope import Scope
    from medfm_cli.training.session import Session
    from medfm_cli.training.state import TrainingState
    from medfm_cli.training.task import Task

Validate = Callable[[nn.Module], dict[str, float]]
"""Measures a task in evaluation mode; its `loss` decides which weights are best."""

EvalCallback = Callable[[Any, int, Mapping[str, float]], None]
"""Sees a task in evaluation mode, the steps done and the scalars of the last; changes nothing."""


class Evaluation:
    """Calls `validate` and `on_eval` when they are due, and records what `validate` measures.

    Args:
        validate, on_eval: see `loop.fit`.
        whole: the task that they see, with whole weights; `state.task` where it is not sharded.
        state: of the training.
        scope: of the training.
        session: an open one.
    """

    def __init__(
        self,
        validate: Validate | None,
        on_eval: EvalCallback | None,
        whole: Task,
        state: TrainingState,
        *,
        scope: Scope,
        session: Session,
    ) -> None:
        self._validate = validate
        self._on_eval = on_eval
        self._whole = whole
        self._state = state
        self._scope = scope
        self._run = session.run

    def after_step(self, values: Mapping[str, float], options: FitOptions, meter: Meter) -> None:
        """Evaluate where it is due; `values` are the scalars of the step just done."""
        step = self._state.step
        last = step == options.end_step
        every = options.validate_steps or options.steps
        if self._validate is not None and (step % every == 0 or last):
            self._measure(self._validate)
        due = step % options.eval_steps == 0 if options.eval_steps else last
        if self._on_eval is not None and due:
            with meter.paused(), torch.no_grad():
                self._on_eval(gather_weights(self._state.task, self._whole).eval(), step, values)
            self._whole.train()

    @torch.no_grad()
    def _measure(self, validate: Validate) -> None:
        """Measure the weights, or their moving average where there is one; keep the best."""
        state = self._state
        with state.ema.applied(state.task) if state.ema is not None else nullcontext():
            scores = validate(gather_weights(state.task, self._whole).eval())
            state.best.offer(scores["loss"], state.step, state.task)
        self._whole.train()
        named = {f"val_{name}": score for name, score in scores.items()}
        self._scope.metric(self._run, step=state.step, **named)
