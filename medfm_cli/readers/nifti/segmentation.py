"""Segmentations: arrays of whole numbers that say what each voxel is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable

FEW = 16
"""Whole numbers of at most this many distinct values are a segmentation."""
SURE = 5
"""So few are one whatever their neighbours are."""
MANY = 1024
"""A file that is said to be a segmentation may have this many regions."""
SMOOTH = 0.5
"""The share of neighbours, at least one of them not background, that are alike in regions."""
_SAMPLE = 100_000


def is_segmentation(values: NDArray[Any]) -> bool:
    """Whether the values, of which nothing is known, are labels of few regions.

    Counts of a few photons or events are few whole numbers too, but hardly any neighbours agree.
    """
    regions = _regions(values, FEW)
    return 1 < regions <= FEW and (regions <= SURE or _likeness(values) >= SMOOTH)


def looks_labelled(values: NDArray[Any]) -> bool:
    """Whether the values, said to be a segmentation, can be one: few, or in regions."""
    regions = _regions(values, MANY)
    if regions <= FEW:
        return regions > 0
    return regions <= MANY and _likeness(values) >= SMOOTH


def as_mask(values: NDArray[Any]) -> NDArray[Any]:
    """The values as uint8 or uint16.

    Raises:
        Unreadable: they are no whole numbers from 0 to 65535.
    """
    if not _regions(values, MANY):
        raise Unreadable("its mask does not hold integers from 0 on")
    return values.astype(np.uint8 if values.max(initial=0) <= 255 else np.uint16)


def _regions(values: NDArray[Any], most: int) -> int:
    """How many distinct labels there are, `most` + 1 for more; 0 where they are none."""
    step = max(1, values.size // _SAMPLE)
    for some in (values.reshape(-1)[::step], values):  # what is no mask shows at a glance
        found = np.unique(some)
        if found.dtype.kind == "f" and not (found == np.round(found)).all():
            return 0  # NaN is not even equal to itself
        if found.size and (found[0] < 0 or found[-1] > np.iinfo(np.uint16).max):
            return 0
        if len(found) > most:
            return most + 1
    return len(found)


def _likeness(values: NDArray[Any]) -> float:
    left, right = values[..., :-1], values[..., 1:]
    inside = (left != 0) | (right != 0)
    count = int(inside.sum())
    return float((left == right)[inside].mean()) if count else 1.0
