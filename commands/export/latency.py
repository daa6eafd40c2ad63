"""How long a batch takes in ONNX Runtime and in PyTorch, side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from medfm_cli.inference.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.commands.export.graph import Graph

BLOCK = 5
"""Runs of one runtime before the other's turn, at most."""
ROUNDS = 4
"""Rounds of turns that the time should allow; a slow model gets shorter turns."""
QUIET = 1.5
"""A median above this many times the fastest run tells of other work on the machine."""
REST = 0.05
"""Seconds between turns: idle threads of either runtime spin for a while and would disturb."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Median seconds per batch of `batch` images, both on `threads` threads of the CPU.

    The fastest run of each tells how quiet the machine was: see `disturbed`.
    """

    batch: int
    threads: int
    repeats: int
    onnxruntime: float
    pytorch: float
    onnxruntime_fastest: float
    pytorch_fastest: float

    @property
    def disturbance(self) -> float:
        """How many times slower than its fastest run the median run was, in the worse case."""
        return max(self.onnxruntime / self.onnxruntime_fastest, self.pytorch / self.pytorch_fastest)

    @property
    def disturbed(self) -> bool:
        """Whether something else worked on the machine, so that the ratio means little."""
        return self.disturbance > QUIET


def measure_latency(
    graph: Graph,
    model: Path,
    images: NDArray[np.uint8],
    *,
    batch_sizes: Sequence[int],
    repeats: int,
    threads: int,
    seconds: float,
) -> list[Latency]:
    """Time both on the first images of [N,C,S,S] (repeated to fill a batch), in turns.

    They take turns, a few runs each, because the speed of a shared machine drifts: both meet the
    same drift. A batch size is given up to `repeats` runs or about `seconds`, whichever ends first.
    """
    session = Session(model, threads=threads)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            return [
                _one_size(graph, session, _fill(images, size), repeats, threads, seconds)
                for size in batch_sizes
            ]
    finally:
        torch.set_num_threads(before)


def _one_size(
    graph: Graph,
    session: Session,
    batch: NDArray[np.uint8],
    repeats: int,
    threads: int,
    seconds: float,
) -> Latency:
    tensor = torch.from_numpy(batch)
    ours, theirs = _in_turns(lambda: session.run(batch), lambda: graph(tensor), repeats, seconds)
    return Latency(
        batch=len(batch),
        threads=threads,
        repeats=len(ours),
        onnxruntime=statistics.median(ours),
        pytorch=statistics.median(theirs),
        onnxruntime_fastest=min(ours),
        pytorch_fastest=min(theirs),
    )


def _in_turns(
    first: Callable[[], object], second: Callable[[], object], repeats: int, seconds: float
) -> tuple[list[float], list[float]]:
    """Seconds of each run of each; at least one run, however slow."""
    end = time.perf_counter() + seconds
    once = sum(_turn(function, 1)[0] for function in (first, second))  # warms up, not counted
    block = max(1, min(BLOCK, int(seconds / ROUNDS / max(once, 1e-9))))
    times: tuple[list[float], list[float]] = ([], [])
    while len(times[1]) < repeats and (not times[1] or time.perf_counter() < end):
        runs = min(block, repeats - len(times[1]))
        for function, found in zip((first, second), times, strict=True):
            found += _turn(function, runs)
    return times


def _turn(function: Callable[[], object], runs: int) -> list[float]:
    time.sleep(REST)
    function()  # the caches are the other's
    return [_seconds(function) for _ in range(runs)]


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _fill(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The first `size` images, starting over when there are fewer."""
    import numpy as np

    return np.ascontiguousarray(np.resize(images, (size, *images.shape[1:])))
