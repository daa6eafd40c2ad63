"""What the loop tells: averages, throughput, time spent waiting for data."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medfm_cli.console import Meter as Progress
    from medfm_cli.data.loader import Batch
    from medfm_cli.runs import Run
    from medfm_cli.training.options import FitOptions
    from medfm_cli.training.state import TrainingState


class Meter:
    """Counts steps, writes metrics.jsonl every `log_steps` steps and shows progress.

    Scalars are averaged over the steps since the last line. Unfinished sums live in the state, so
    that a resumed run writes the same lines as an uninterrupted one.
    """

    def __init__(
        self, run: Run, options: FitOptions, state: TrainingState, progress: Progress
    ) -> None:
        progress.advance(state.step)
        self._progress = progress
        self._note = ""
        self._run = run
        self._options = options
        self._state = state
        self._begun = self._mark = time.perf_counter()
        self._first = state.step
        self._waited_before_mark = 0.0
        self.waited = 0.0

    def watch(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Pass the batches on and measure how long they were waited for."""
        iterator = iter(batches)
        while True:
            asked = time.perf_counter()
            batch = next(iterator, None)
            self.waited += time.perf_counter() - asked
            if batch is None:
                return
            yield batch

    def count(self, values: dict[str, float], *, rate: float) -> None:
        """Take in the scalars of the step just done."""
        window = self._state.window
        for name, value in {"steps": 1.0, **values}.items():
            window[name] = window.get(name, 0.0) + value
        step = self._state.step
        if step % self._options.log_steps == 0 or step == self._options.steps:
            self._flush(rate)
        self._progress.advance(1, self._note)

    def rates(self, *, seconds: float, waited: float, steps: float) -> dict[str, float]:
        """Give samples a second and the part of the time that was spent waiting for data."""
        seconds = max(seconds, 1e-9)
        return {
            "samples_per_second": round(steps * self._options.batch / seconds, 1),
            "waiting": round(waited / seconds, 4),
        }

    def overall(self) -> dict[str, float]:
        """Give the rates since this process began to train."""
        return self.rates(
            seconds=time.perf_counter() - self._begun,
            waited=self.waited,
            steps=self._state.step - self._first,
        )

    def _flush(self, rate: float) -> None:
        window = dict(self._state.window)
        self._state.window.clear()
        steps = window.pop("steps")
        now = time.perf_counter()
        speed = self.rates(
            seconds=now - self._mark, waited=self.waited - self._waited_before_mark, steps=steps
        )
        self._mark, self._waited_before_mark = now, self.waited
        means = {name: total / steps for name, total in window.items()}
        self._run.metric(step=self._state.step, **means, learning_rate=rate, **speed)
        self._note = (
            f"loss {means['loss']:.4f} · {speed['samples_per_second']:,.0f} images/s · "
            f"waiting {speed['waiting']:.0%}"
        )
