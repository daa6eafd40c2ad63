"""Random shares that depend on a seed and a name only.

They are made from the raw output of Philox, whose stream NumPy promises to keep (NEP 19), which it
does not promise of its distributions.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator

import numpy as np


def dirichlet(alpha: float, count: int, *, seed: int, name: str) -> list[float]:
    """`count` shares from the symmetric Dirichlet distribution; they add up to 1.

    Logarithms of gamma variates (Marsaglia and Tsang 2000, with the boost for alpha below 1) are
    normalised, so that a tiny `alpha` does not underflow.
    """
    chance = _uniforms(seed, name)
    logs = [_log_gamma(alpha, chance) for _ in range(count)]
    highest = max(logs)
    weights = [math.exp(value - highest) for value in logs]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def _log_gamma(alpha: float, chance: Iterator[float]) -> float:
    boost = 0.0
    if alpha < 1:
        boost = math.log(next(chance)) / alpha
        alpha += 1
    d = alpha - 1 / 3
    c = 1 / math.sqrt(9 * d)
    while True:
        x = math.sqrt(-2 * math.log(next(chance))) * math.cos(2 * math.pi * next(chance))
        v = (1 + c * x) ** 3
        if v > 0 and math.log(next(chance)) < x * x / 2 + d - d * v + d * math.log(v):
            return math.log(d) + math.log(v) + boost


def _uniforms(seed: int, name: str) -> Iterator[float]:
    """Numbers above 0 and below 1."""
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).digest()
    key = np.array([seed, int.from_bytes(digest[:8], "little")], dtype=np.uint64)
    source = np.random.Philox(key=key)
    while True:
        for raw in source.random_raw(64).tolist():
            yield ((raw >> 12) + 0.5) * 2.0**-52
