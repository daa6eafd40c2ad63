"""A volume as three planes in true proportions, with a scale bar and orientation letters.

The patient's right is on the left of the image, as radiologists expect it (see `Volume`).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medfm_cli.commands.curate.report.drawings.tiles import fitted, outlined, scale_bar, write
from medfm_cli.samples.content import Volume

NAMES: Final = ("axial", "coronal", "sagittal")
SOFT_TISSUE: Final = (-160.0, 240.0)
"""Level 40, width 400 HU."""
_LETTERS: Final = (("A", "P", "R", "L"), ("S", "I", "R", "L"), ("S", "I", "A", "P"))
"""Above, below, left and right of every plane."""


def planes(volume: Volume, side: int, mask: NDArray[Any] | None = None) -> list[NDArray[np.uint8]]:
    """The axial, coronal and sagittal plane through the middle, or through what is segmented.

    Args:
        volume: `[D, H, W]` or `[D, H, W, 3]`.
        side: of the squares that are given, in pixels.
        mask: a segmentation `[D, H, W]`; its labels are outlined.
    """
    depth, height, width = volume.voxels.shape[:3]
    d, h, w = _middle(volume, mask)
    dd, dh, dw = volume.spacing or (1.0, 1.0, 1.0)
    low, high = window(volume)
    millimetres = max(depth * dd, height * dh, width * dw)
    scale = side / millimetres
    cuts: list[tuple[Any, float, float]] = [
        (np.s_[d], dh, dw),
        (np.s_[::-1, h], dd, dw),
        (np.s_[::-1, :, w], dd, dh),
    ]
    found: list[NDArray[np.uint8]] = []
    for (cut, rows, columns), letters in zip(cuts, _LETTERS, strict=True):
        plane = _grey(volume.voxels[cut], low, high)
        size = (round(plane.shape[1] * columns * scale), round(plane.shape[0] * rows * scale))
        tile = fitted(plane, side, size=size)
        if mask is not None:
            tile = _with_outline(tile, mask[cut], size, np.unique(mask).tolist())
        for place, letter in zip("nswe", letters, strict=True):
            write(tile, place, letter)
        if volume.spacing:
            scale_bar(tile, scale)
        found.append(np.asarray(tile))
    return found


def window(volume: Volume) -> tuple[float, float]:
    """The values shown black and white: soft tissue for HU, else the 1st to 99.5th percentile.

    Colours are shown as they are.
    """
    if volume.unit == "HU":
        return SOFT_TISSUE
    if volume.voxels.ndim == 4:
        return 0.0, 255.0
    values = volume.voxels.reshape(-1)[:: max(1, volume.voxels.size // 500_000)]
    values = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, (1, 99.5))
    return float(low), float(high)


def middle_slice(volume: Volume) -> NDArray[np.uint8]:
    """The axial slice in the middle, in grey steps; its spacing is left aside."""
    return _grey(volume.voxels[len(volume.voxels) // 2], *window(volume))


def about(volume: Volume) -> str:
    """Size and spacing as text."""
    depth, height, width = volume.voxels.shape[:3]
    text = f"{width} × {height} × {depth} voxels"
    if volume.spacing is None:
        return f"{text}, spacing UNKNOWN"
    dd, dh, dw = volume.spacing
    return f"{text} of {dw:.3g} × {dh:.3g} × {dd:.3g} mm"


def _middle(volume: Volume, mask: NDArray[Any] | None) -> tuple[int, int, int]:
    depth, height, width = volume.voxels.shape[:3]
    if mask is not None and mask.any():
        centre = [round(float(places.mean())) for places in np.nonzero(mask)]
        return centre[0], centre[1], centre[2]
    return depth // 2, height // 2, width // 2


def _grey(plane: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    values = np.nan_to_num(plane.astype(np.float32), nan=low)
    share = (values - low) / max(high - low, 1e-12)
    return np.round(share.clip(0, 1) * 255).astype(np.uint8)


def _with_outline(
    tile: Image.Image, mask: NDArray[Any], size: tuple[int, int], labels: list[int]
) -> Image.Image:
    side = tile.width
    small = Image.fromarray(mask.astype(np.int32)).resize(size, Image.Resampling.NEAREST)
    placed = np.zeros((side, side), np.int32)
    top, left = (side - small.height) // 2, (side - small.width) // 2
    placed[top : top + small.height, left : left + small.width] = np.asarray(small)
    return outlined(tile, placed, labels)
