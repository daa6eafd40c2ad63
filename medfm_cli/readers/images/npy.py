"""NumPy's `.npy`: one image, a stack of them, or a volume. Never a pickle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable
from medfm_cli.readers.faults import is_of_the_disk
from medfm_cli.readers.item import Item, ReadOptions, evenly
from medfm_cli.readers.voxels import check_size, narrow
from medfm_cli.samples.content import Image2D, Volume
from medfm_cli.samples.to_uint8 import stretch


def sniff(head: bytes) -> bool:
    """Whether the file begins as NumPy's format does."""
    return head.startswith(b"\x93NUMPY")


def read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """One item for `[H, W]`, `[H, W, 1 or 3]` and `[3, H, W]`; up to `options.frames` of a stack.

    uint8 is taken as it is; other numbers are stretched between their percentiles. With
    `options.whole` `[D, H, W]` and `[D, H, W, 3]` are a volume in their own numbers (`spacing` in
    mm of these axes may be said in `options.format`), and `[N, D, H, W]` are up to
    `options.frames` of them.
    """
    array = load(path)
    if options.whole and (volumes := _as_volumes(array)) is not None:
        yield from _whole(volumes, options)
        return
    stack = _as_stack(array)
    if stack is None:
        shape = " × ".join(str(side) for side in array.shape) or "a single number"
        raise Unreadable(f"an array of this shape is not an image: {shape}")
    if stack.shape[1] * stack.shape[2] > options.max_pixels:
        raise Unreadable(f"an image of more than {options.max_pixels / 1e6:.0f} megapixels")
    for index in evenly(len(stack), options.frames):
        frame = np.asarray(stack[index])
        facts = {"format": "NPY", "dtype": str(array.dtype), "frames": len(stack)}
        pixels = frame if frame.dtype == np.uint8 else stretch(frame)
        yield Item(Image2D(pixels), facts, frame=index)


def _whole(volumes: NDArray[Any], options: ReadOptions) -> Iterator[Item]:
    check_size(volumes.shape[1:], options.max_values)
    spacing = _spacing(options.format.get("spacing"))
    facts: dict[str, Any] = {"format": "NPY", "dtype": str(volumes.dtype)}
    facts |= {"volumes": len(volumes)} if len(volumes) > 1 else {}
    for index in evenly(len(volumes), options.frames):
        voxels = np.ascontiguousarray(narrow(np.array(volumes[index])))
        notes = (f"volume {index + 1} of {len(volumes)} in the file",) if len(volumes) > 1 else ()
        yield Item(Volume(voxels, spacing), facts, frame=index, notes=notes)


def _spacing(value: Any) -> tuple[float, float, float] | None:
    if not isinstance(value, list | tuple) or len(value) != 3:
        return None
    depth, height, width = (float(side) for side in value)
    return depth, height, width


def load(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header is parsed as Python and fails in many ways
        if is_of_the_disk(error):
            raise
        if "allow_pickle" in str(error) or "Python objects" in str(error):
            raise Unreadable("it holds pickled Python objects, which are never opened") from None
        raise Unreadable("a damaged or truncated .npy file") from None
    return array


def _as_stack(array: NDArray[Any]) -> NDArray[Any] | None:
    """The array as `[N, H, W]` or `[N, H, W, 3]`, None when it is neither."""
    if array.size == 0:
        return None
    if array.ndim == 2:
        return array[None]
    if array.ndim == 3 and array.shape[2] == 1:
        return array[None, :, :, 0]
    if array.ndim == 3 and array.shape[2] == 3:
        return array[None]
    if array.ndim == 3 and array.shape[0] == 3:
        return array.transpose(1, 2, 0)[None]
    if array.ndim == 3:
        return array
    if array.ndim == 4 and array.shape[3] == 1:
        return array[..., 0]
    if array.ndim == 4 and array.shape[3] == 3:
        return array
    return None


def _as_volumes(array: NDArray[Any]) -> NDArray[Any] | None:
    """The array as `[N, D, H, W]` or `[N, D, H, W, 3]`, None when it holds no volume."""
    if array.size == 0 or array.ndim < 3:
        return None
    if array.ndim == 3:
        return None if array.shape[2] in (1, 3) or array.shape[0] == 3 else array[None]
    if array.shape[-1] == 1:
        return _as_volumes(array[..., 0])
    if array.ndim == 4:
        return array[None] if array.shape[3] == 3 else array
    return array if array.ndim == 5 and array.shape[4] == 3 else None
