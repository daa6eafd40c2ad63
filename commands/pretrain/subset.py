"""Nested subsets of the subjects, for curves over the amount of data."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def chosen_subjects(subjects: Sequence[str], fraction: float, *, seed: int) -> NDArray[np.bool_]:
    """Which samples belong to the first ⌈fraction · S⌉ of their S subjects, bool [n].

    Subjects are ordered by a hash of their name and the seed, so that a smaller fraction is part
    of a larger one, and what is chosen does not depend on the order of the samples.
    """
    names = sorted(set(subjects), key=lambda name: _order(name, seed))
    kept = set(names[: math.ceil(fraction * len(names) - 1e-9)])
    return np.array([name in kept for name in subjects], dtype=bool)


def _order(name: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\x1f{name}".encode(), digest_size=16).digest()
