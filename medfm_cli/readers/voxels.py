"""Voxels of any source: numbers kept without loss, axes turned to those of `content.Volume`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable

KEPT = ("uint8", "int16", "uint16", "float32")
"""The types of a volume's numbers."""

Steps = NDArray[np.float64]
"""`[3, 3]` mm: for each axis of an array, how far one step leads to the left, back and up (LPS)."""


def narrow(values: NDArray[Any]) -> NDArray[Any]:
    """The values in one of the types that are `KEPT`, without loss where one of them can.

    Whole numbers that fit none become float32, exact up to 2²⁴; so does float64, rounded.

    Raises:
        Unreadable: the values are no real numbers.
    """
    kind = values.dtype.kind
    if kind not in "buif":
        raise Unreadable(f"its values are not real numbers ({values.dtype})", step="quality")
    if values.dtype.name in KEPT:
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    if kind == "b":
        return values.astype(np.uint8)
    if kind == "f" or not values.size:
        with np.errstate(over="ignore"):
            return values.astype(np.float32)
    low, high = int(values.min()), int(values.max())
    for name in ("int16", "uint16"):
        if np.iinfo(name).min <= low and high <= np.iinfo(name).max:
            return values.astype(name)
    return values.astype(np.float32)


def rescaled(values: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    """`values · slope + intercept`, in whole numbers where slope and intercept are whole.

    Raises:
        Unreadable: slope or intercept is no number, or the slope is 0.
    """
    if not (np.isfinite(slope) and np.isfinite(intercept)) or slope == 0:
        raise Unreadable("its rescale values are invalid")
    if slope == 1 and intercept == 0:
        return narrow(values)
    whole = values.dtype.kind in "bui" and values.dtype.itemsize <= 4
    if whole and all(float(v).is_integer() and abs(v) < 2**24 for v in (slope, intercept)):
        return narrow(values.astype(np.int64) * int(slope) + int(intercept))
    with np.errstate(over="ignore", invalid="ignore"):
        return (values.astype(np.float64) * slope + intercept).astype(np.float32)


def turned(
    voxels: NDArray[Any], steps: Steps
) -> tuple[NDArray[Any], tuple[float, float, float]] | None:
    """The array turned to feet → head, front → back, right → left, and its spacing in mm.

    Axes are exchanged and reversed, nothing is interpolated: of an oblique scan each axis becomes
    the nearest of the three. None when the steps span no space.

    Args:
        voxels: `[a, b, c]` or `[a, b, c, 3]` in any order.
        steps: where each of its axes leads.
    """
    places = places_of(steps)
    if places is None:
        return None
    order, flips = places
    array = voxels.transpose(*order, *range(3, voxels.ndim))
    array = array[tuple(slice(None, None, -1 if flip else None) for flip in flips)]
    spacing = [round(float(np.linalg.norm(steps[axis])), 6) for axis in order]
    return np.ascontiguousarray(array), (spacing[0], spacing[1], spacing[2])


def places_of(steps: Steps) -> tuple[list[int], list[bool]] | None:
    """For up, back and left: the array's axis that leads there, and whether it is reversed."""
    from nibabel.orientations import io_orientation

    if not np.isfinite(steps).all() or not np.linalg.norm(steps, axis=1).all():
        return None
    affine = np.eye(4)
    affine[:3, :3] = steps.T
    found = io_orientation(affine)  # type: ignore[no-untyped-call]
    if np.isnan(found).any():
        return None
    axes = {int(world): axis for axis, (world, _) in enumerate(found)}
    order = [axes[world] for world in (2, 1, 0)]
    return order, [bool(found[axis, 1] < 0) for axis in order]


class Stack:
    """Planes put together to one array, in a type that holds all of them.

    Args:
        count: how many planes there will be.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._array: NDArray[Any] | None = None

    def put(self, index: int, plane: NDArray[Any]) -> None:
        """Set one plane, `[H, W]` or `[H, W, 3]`.

        Raises:
            Unreadable: it has another shape than those before.
        """
        if self._array is None:
            self._array = np.zeros((self.count, *plane.shape), plane.dtype)
        if plane.shape != self._array.shape[1:]:
            raise Unreadable("its slices differ in shape")
        if plane.dtype != self._array.dtype:
            both = np.promote_types(plane.dtype, self._array.dtype)
            dtype = both if both.name in KEPT else np.dtype(np.float32)
            self._array = self._array.astype(dtype, copy=False)
        self._array[index] = plane

    @property
    def array(self) -> NDArray[Any]:
        """All planes, `[count, H, W]` or `[count, H, W, 3]`."""
        if self._array is None:
            raise Unreadable("it has no slices")
        return self._array


def check_size(shape: Sequence[int], most: int) -> None:
    """Refuse what claims more values than are allowed, before memory is taken for it.

    Raises:
        Unreadable: it does.
    """
    count = 1
    for side in shape:
        count *= int(side)
    if count > most:
        raise Unreadable(f"it has {count / 1e6:.0f} million values, more than the limit")
