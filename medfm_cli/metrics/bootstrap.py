"""Confidence intervals by resampling subjects, not images.

Images of one subject are alike, so a bootstrap over images is overconfident. Here each draw takes
as many subjects as there are, with replacement, and a subject brings all of its cases along
(cluster bootstrap; Field & Welsh 2007). The same draws serve every metric and every model, so
differences between models are paired.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypeVar

    from numpy.typing import NDArray

    from medfm_cli.metrics.weighting import Statistic, Values, Weights

    Key = TypeVar("Key")

DRAWS = 1000
LEVEL = 0.95
_BLOCK = 4_000_000  # weights held at a time: 32 MB


@dataclass(frozen=True)
class Resampler:
    """Draws of subjects: deterministic for a seed, the same for everything that shares it.

    Attributes:
        subjects: int64 [n], codes 0 … S−1 of the subject of each case.
        draws: how many bootstrap samples.
        seed: of the random numbers.
    """

    subjects: NDArray[np.int64]
    draws: int = DRAWS
    seed: int = 0

    def weights(self) -> Iterator[Weights]:
        """Blocks of weights [n, draws of the block]: how often each case was drawn."""
        n_subjects = int(self.subjects.max()) + 1
        generator = np.random.default_rng(self.seed)
        block = max(1, _BLOCK // max(len(self.subjects), n_subjects))
        for start in range(0, self.draws, block):
            size = min(block, self.draws - start)
            picks = generator.integers(0, n_subjects, size=(size, n_subjects))
            cells = picks + np.arange(size)[:, None] * n_subjects
            counts = np.bincount(cells.ravel(), minlength=size * n_subjects)
            yield counts.reshape(size, n_subjects).T.astype(np.float64)[self.subjects]

    def run(self, statistics: Mapping[Key, Statistic]) -> dict[Key, Values]:
        """Every statistic on every draw: float64 [draws] each, NaN where undefined."""
        parts: dict[Key, list[Values]] = {key: [] for key in statistics}
        for weights in self.weights():
            for key, statistic in statistics.items():
                parts[key].append(statistic(weights))
        return {key: np.concatenate(values) for key, values in parts.items()}


def interval(values: Values, *, level: float = LEVEL) -> tuple[float | None, float | None, int]:
    """The percentile interval of the defined draws, and how many these are.

    Draws in which a class is absent are left out; where they are more than half of all, what is
    left says little about the whole, and there is no interval.
    """
    used = values[np.isfinite(values)]
    if 2 * len(used) <= len(values):
        return None, None, len(used)
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(used, [tail, 100 - tail])
    return float(low), float(high), len(used)
