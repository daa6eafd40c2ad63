"""Random numbers that depend on the step alone, not on how the work is split.

Nothing here has a state that moves on: every draw is a pure function of (seed, step, purpose).
A run resumed at any step, on one process or on several, with or without gradient accumulation,
therefore sees the same numbers, and a checkpoint needs no generator state.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def derive(seed: int, *parts: object) -> int:
    """Give a 63-bit seed for a purpose: a hash of the run's seed and `parts`."""
    text = "\x1f".join(str(part) for part in (seed, *parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


class StepRandom:
    """The random numbers of one optimiser step.

    A draw is made for the whole global batch, on the CPU, and cut to the rows this process (and
    this micro-batch) works on: two processes see the two halves of what one process sees.
    """

    def __init__(self, *, seed: int, step: int, batch: int, device: torch.device) -> None:
        self.seed = seed
        self.step = step
        self.batch = batch
        self.device = device
        self._rows = slice(0, batch)
        self._cache: dict[tuple[str, str, tuple[int, ...]], Tensor] = {}

    def part(self, start: int, stop: int) -> StepRandom:
        """Give the same numbers cut to rows `start:stop` of the global batch."""
        view = StepRandom(seed=self.seed, step=self.step, batch=self.batch, device=self.device)
        view._rows = slice(start, stop)
        view._cache = self._cache
        return view

    def uniform(self, purpose: str, *shape: int) -> Tensor:
        """Draw from U[0, 1): float32 [rows, *shape] on the device. Equal for an equal purpose."""
        return self._draw("uniform", purpose, shape)

    def normal(self, purpose: str, *shape: int) -> Tensor:
        """Draw from N(0, 1): float32 [rows, *shape] on the device. Equal for an equal purpose."""
        return self._draw("normal", purpose, shape)

    def _draw(self, kind: str, purpose: str, shape: tuple[int, ...]) -> Tensor:
        key = (kind, purpose, shape)
        if key not in self._cache:
            generator = torch.Generator().manual_seed(derive(self.seed, self.step, *key))
            draw = torch.rand if kind == "uniform" else torch.randn
            self._cache[key] = draw(self.batch, *shape, generator=generator)
        return self._cache[key][self._rows].to(self.device, non_blocking=True)


def seed_model_noise(seed: int, step: int, rank: int) -> None:
    """Seed torch's global generators for this step (dropout, drop path inside a model).

    Not `torch.manual_seed`, which looks for every kind of device each time.
    """
    number = derive(seed, step, "model", rank)
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_available():
        torch.cuda.manual_seed(number)
