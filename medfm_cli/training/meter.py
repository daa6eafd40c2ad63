"""Metrics of the loop: averages, throughput, time spent waiting for data."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medfm_cli.console import Meter as Progress
    from medfm_cli.data.batch import Batch
    from medfm_cli.runs import Run
    from medfm_cli.training.options import FitOptions
    from medfm_cli.training.scope import Scope
    from medfm_cli.training.state import TrainingState


class Meter:
    """Counts steps, writes metrics.jsonl every `log_steps` steps and shows progress.

    Scalars are averaged over the steps since the last line. Unfinished sums live in the state, so
    that a resumed run writes the same lines as an uninterrupted one.
    """

    def __init__(
        self,
        run: Run,
        options: FitOptions,
        state: TrainingState,
        progress: Progress,
        *,
        scope: Scope,
    ) -> None:
        progress.advance(state.step - options.first_step)
        self._progress = progress
        self._note = ""
        self._run = run
        self._scope = scope
        self._options = options
        self._state = state
        self._mark = (time.perf_counter(), state.waiting_seconds, state.step)

    def timed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Pass the batches on and measure how long the loop waits for them."""
        iterator = iter(batches)
        while True:
            start = time.perf_counter()
            batch = next(iterator, None)
            self._state.waiting_seconds += time.perf_counter() - start
            if batch is None:
                return
            yield batch

    @contextmanager
    def paused(self, *, steps: int = 0) -> Iterator[None]:
        """Leave the time spent meanwhile out of all speeds: it is not training.

        `steps` made meanwhile are left out of the speed of a line too.
        """
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            self._state.paused_seconds += seconds
            clock, waited, step = self._mark
            self._mark = (clock + seconds, waited, step + steps)

    def count(self, values: dict[str, float], *, rate: float) -> None:
        """Add the scalars of the step just done."""
        window = self._state.window
        for name, value in {"steps": 1.0, **values}.items():
            window[name] = window.get(name, 0.0) + value
        step = self._state.step
        if step % self._options.log_steps == 0 or step == self._options.end_step:
            self._flush(rate)
        self._progress.advance(1, self._note)

    def _flush(self, rate: float) -> None:
        window = dict(self._state.window)
        self._state.window.clear()
        steps = window.pop("steps")
        means = {name: total / steps for name, total in window.items()}
        speed, waiting = self._speed()
        self._scope.metric(
            self._run,
            step=self._state.step,
            **means,
            learning_rate=rate,
            samples_per_second=None if speed is None else round(speed, 1),
            waiting=round(waiting, 4),
        )
        rate_note = "" if speed is None else f" · {speed:,.0f} samples/s"
        self._note = f"loss {means['loss']:.4f}{rate_note} · waiting {waiting:.0%}"

    def _speed(self) -> tuple[float | None, float]:
        """Give samples a second, and the part of the time spent waiting, since the last call.

        The speed is None where every step was made in a pause.
        """
        now = (time.perf_counter(), self._state.waiting_seconds, self._state.step)
        seconds, waited, steps = (a - b for a, b in zip(now, self._mark, strict=True))
        self._mark = now
        seconds = max(seconds, 1e-9)
        speed = steps * self._options.batch / seconds if steps else None
        return speed, waited / seconds
