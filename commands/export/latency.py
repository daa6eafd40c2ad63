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

WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Latency:
    """Median seconds per batch of `batch` images, both on `threads` threads of the CPU."""

    batch: int
    threads: int
    repeats: int
    onnxruntime: float
    pytorch: float


def measure_latency(
    graph: Graph,
    model: Path,
    images: NDArray[np.uint8],
    *,
    batch_sizes: Sequence[int],
    repeats: int,
    threads: int,
) -> list[Latency]:
    """Time both on the first images of [N,C,S,S] (repeated to fill a batch), turn by turn.

    They take turns because the speed of a shared machine drifts: both meet the same drift.
    """
    session = Session(model, threads=threads)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return [
            _one_size(graph, session, _fill(images, size), repeats=repeats, threads=threads)
            for size in batch_sizes
        ]
    finally:
        torch.set_num_threads(before)


def _one_size(
    graph: Graph, session: Session, batch: NDArray[np.uint8], *, repeats: int, threads: int
) -> Latency:
    tensor = torch.from_numpy(batch)
    with torch.inference_mode():
        ours, theirs = _in_turn(lambda: session.run(batch), lambda: graph(tensor), repeats)
    return Latency(len(batch), threads, repeats, onnxruntime=ours, pytorch=theirs)


def _in_turn(
    first: Callable[[], object], second: Callable[[], object], repeats: int
) -> tuple[float, float]:
    for _ in range(WARM_UP):
        first()
        second()
    times = [(_seconds(first), _seconds(second)) for _ in range(repeats)]
    return statistics.median(a for a, _ in times), statistics.median(b for _, b in times)


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def _fill(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The first `size` images, starting over when there are fewer."""
    import numpy as np

    return np.ascontiguousarray(np.resize(images, (size, *images.shape[1:])))
