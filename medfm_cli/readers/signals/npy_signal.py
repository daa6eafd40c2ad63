"""Signals in NumPy's `.npy`: one, or a stack of them; rate and names come from the recipe.

Read only where a recipe says so (`readers: [npy-signal]`, or `format.rate`): an array of two sides
could as well be an image. Never a pickle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from medfm_cli.errors import Unreadable
from medfm_cli.readers.images.npy import load, sniff
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.readers.signals.format import SignalFormat

__all__ = ["count", "read", "sniff"]


def count(path: Path) -> int:
    """How many signals a stack `[N, C, T]` or `[N, T, C]` holds; 1 for anything smaller."""
    array = load(path)
    return len(array) if array.ndim == 3 else 1


def read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """The signal of `[T]`, `[C, T]` or `[T, C]`; of a stack all, or the range `options.items`."""
    signal_format = SignalFormat.of(options)
    array = load(path)
    if array.dtype.kind not in "iuf":
        raise Unreadable("an array of this number type is not a signal")
    facts = {"format": "NPY", "dtype": str(array.dtype)}
    if array.ndim < 3:
        yield signal_format.signal(np.asarray(array), (), facts)
        return
    first, last = options.items or (0, len(array))
    for index in range(first, min(last, len(array))):
        yield replace(signal_format.signal(np.asarray(array[index]), (), facts), part=str(index))
