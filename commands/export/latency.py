"""Latency of a batch in ONNX Runtime and in PyTorch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from medfm_cli.inference.session import OnnxSession

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from medfm_cli.commands.export.graph import Graph

BLOCK = 5
"""At most so many runs of one runtime before the other."""
ROUNDS = 4
"""Alternations that the time should allow; a slow model has fewer runs in each."""
QUIET = 1.5
"""A median above this many times the fastest run indicates other load on the machine."""
REST = 0.05
"""Seconds between alternations: idle threads of a runtime busy-wait and would disturb the other."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Median seconds per batch of `batch` images, both on `threads` threads of the CPU.

    The fastest run of each shows how idle the machine was: see `disturbed`.
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
        """The larger ratio of median to fastest run of the two runtimes."""
        return max(self.onnxruntime / self.onnxruntime_fastest, self.pytorch / self.pytorch_fastest)

    @property
    def disturbed(self) -> bool:
        """Whether other load makes the comparison unreliable."""
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
    """Time both on the first images of [N,C,S,S] (repeated to fill a batch), alternating.

    They alternate after a few runs, because the speed of a shared machine drifts: both see the
    same drift. A batch size ends after `repeats` runs or about `seconds`, whichever comes first.
    """
    session = OnnxSession(model, threads=threads)
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
    session: OnnxSession,
    batch: NDArray[np.uint8],
    repeats: int,
    threads: int,
    seconds: float,
) -> Latency:
    tensor = torch.from_numpy(batch)
    onnx_times, torch_times = _alternate(
        lambda: session.run(batch), lambda: graph(tensor), repeats, seconds
    )
    return Latency(
        batch=len(batch),
        threads=threads,
        repeats=len(onnx_times),
        onnxruntime=statistics.median(onnx_times),
        pytorch=statistics.median(torch_times),
        onnxruntime_fastest=min(onnx_times),
        pytorch_fastest=min(torch_times),
    )


def _alternate(
    first: Callable[[], object], second: Callable[[], object], repeats: int, seconds: float
) -> tuple[list[float], list[float]]:
    """Seconds of every run of each function; at least one run."""
    end = time.perf_counter() + seconds
    once = sum(_timed_runs(function, 1)[0] for function in (first, second))  # warm-up
    block = max(1, min(BLOCK, int(seconds / ROUNDS / max(once, 1e-9))))
    times: tuple[list[float], list[float]] = ([], [])
    while len(times[1]) < repeats and (not times[1] or time.perf_counter() < end):
        runs = min(block, repeats - len(times[1]))
        for function, seconds_of_runs in zip((first, second), times, strict=True):
            seconds_of_runs += _timed_runs(function, runs)
    return times


def _timed_runs(function: Callable[[], object], runs: int) -> list[float]:
    time.sleep(REST)
    function()  # the CPU caches hold the other runtime's data
    return [_seconds(function) for _ in range(runs)]


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _fill(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The first `size` images, repeated if there are fewer."""
    import numpy as np

    return np.ascontiguousarray(np.resize(images, (size, *images.shape[1:])))
