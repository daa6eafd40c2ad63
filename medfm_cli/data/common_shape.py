"""Images and volumes in one shape, so that one encoder sees every case (RadFM).

RadFM gives its encoder `(C, H, W, D)`, D being the nearest of 4, 8, …, 64 and an image repeated
along D = 4. Stored is the same array in the order of `content.Volume`, the channel last:
`[D, H, W]` or `[D, H, W, 3]`, uint8, D from feet to head, H from front to back, W from right to
left. `to_channels_first` turns one into the other. Proportions are kept and the rest is padded
with the background, where RadFM stretches to a square.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.data.card import Unify
from medfm_cli.data.letterbox import Letterbox, nearest
from medfm_cli.data.preprocess import fit
from medfm_cli.samples.content import Image2D, Volume
from medfm_cli.samples.pixels import resize
from medfm_cli.samples.to_uint8 import limits, scale

ENOUGH_VOXELS = 1 << 22
"""The grey levels of a larger volume are measured on this many voxels, evenly spaced."""


@dataclass(frozen=True, slots=True)
class CommonShape:
    """A volume of the common shape; what became black and white in it; the mask, cut alike.

    `greys` is None where the values were 8-bit before. `scale` and `offset` (down, across) lead
    from places in the source to places in the plane: `place × scale + offset`.
    """

    volume: Volume
    greys: tuple[float, float] | None
    mask: NDArray[Any] | None
    scale: tuple[float, float]
    offset: tuple[int, int]


def to_common_shape(
    content: Image2D | Volume, how: Unify, *, mask: NDArray[Any] | None = None
) -> CommonShape:
    """Bring an image or a volume to the common shape; a volume's values become 256 greys.

    Args:
        content: pixels `[H, W]`, `[H, W, 3]` or voxels `[D, H, W]`, `[D, H, W, 3]`.
        how: edge and depths.
        mask: of the same shape without the channels; it is resampled without mixing labels.
    """
    if isinstance(content, Image2D):
        return _image(content.pixels, how, mask)
    return _volume(content, how, mask)


def in_shape(volume: Volume, how: Unify) -> NDArray[Any]:
    """A volume's own values in the common shape: uint8 `[D, H, W(, 3)]` or float32 `[D, H, W]`."""
    return _shaped(volume.voxels, known_spacing(volume.spacing), how)[0]


def mask_in_shape(
    mask: NDArray[Any], spacing: tuple[float, float, float] | None, how: Unify
) -> NDArray[Any]:
    """A mask in the common shape, `[D, S, S]`, by its nearest pixels; 0 around it.

    Args:
        mask: of an image `[H, W]` or a volume `[D, H, W]`.
        spacing: the volume's, as `known_spacing` gives it.
        how: edge and depths.
    """
    height, width = mask.shape[-2:]
    letterbox = _letterbox(height, width, spacing, how)
    if mask.ndim == 2:
        return np.repeat(letterbox.mask(mask)[None], how.depths[0], axis=0)
    return letterbox.mask(mask[nearest(len(mask), nearest_depth(len(mask), how.depths))])


def nearest_depth(depth: int, depths: list[int]) -> int:
    """The depth in use that is nearest, of two the smaller."""
    return min(depths, key=lambda known: (abs(known - depth), known))


def to_channels_first(voxels: NDArray[Any], *, channels: int) -> NDArray[Any]:
    """`[D, H, W]` or `[D, H, W, 3]` as the encoder's `(C, H, W, D)`.

    Grey is repeated for three channels; colour becomes one channel by its mean.
    """
    if voxels.ndim == 3:
        return np.repeat(voxels.transpose(1, 2, 0)[None], channels, axis=0)
    turned = voxels.transpose(3, 1, 2, 0)
    if channels == 1:
        turned = turned.mean(axis=0, keepdims=True).astype(voxels.dtype)
    return np.ascontiguousarray(turned)


def to_grey_levels(volume: Volume) -> tuple[NDArray[np.uint8], tuple[float, float] | None]:
    """A volume's voxels as uint8, all by one scale, and what became black and white in it."""
    voxels = volume.voxels
    if voxels.dtype == np.uint8:
        return voxels, None
    step = max(1, voxels.size // ENOUGH_VOXELS)
    low, high = limits(voxels.reshape(-1)[::step])
    return scale(voxels, low=low, high=high), (low, high)


def known_spacing(
    spacing: tuple[float, float, float] | None,
) -> tuple[float, float, float] | None:
    """A volume's spacing, None where it is not known or makes no sense."""
    valid = spacing is not None and all(0 < mm < float("inf") for mm in spacing)
    return spacing if valid else None


def _image(pixels: NDArray[np.uint8], how: Unify, mask: NDArray[Any] | None) -> CommonShape:
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else 3
    plane = fit(pixels, how.size, channels)
    plane = plane[0] if channels == 1 else plane.transpose(1, 2, 0)
    letterbox, depth = Letterbox.of(height, width, how.size), how.depths[0]
    return CommonShape(
        volume=Volume(np.repeat(np.ascontiguousarray(plane)[None], depth, axis=0)),
        greys=None,
        mask=None if mask is None else mask_in_shape(mask, None, how),
        scale=(letterbox.shape[0] / height, letterbox.shape[1] / width),
        offset=letterbox.offset,
    )


def _volume(volume: Volume, how: Unify, mask: NDArray[Any] | None) -> CommonShape:
    voxels, greys = to_grey_levels(volume)
    known = known_spacing(volume.spacing)
    canvas, letterbox = _shaped(voxels, known, how)
    before, height, width = voxels.shape[:3]
    depth, shape = len(canvas), letterbox.shape
    spacing = None
    if known:
        deep, down, across = known
        sides = ((deep, before, depth), (down, height, shape[0]), (across, width, shape[1]))
        first, second, third = (mm * old / new for mm, old, new in sides)
        spacing = (first, second, third)
    return CommonShape(
        volume=Volume(canvas, spacing),
        greys=greys,
        mask=None if mask is None else mask_in_shape(mask, known, how),
        scale=(shape[0] / height, shape[1] / width),
        offset=letterbox.offset,
    )


def _shaped(
    voxels: NDArray[Any], spacing: tuple[float, float, float] | None, how: Unify
) -> tuple[NDArray[Any], Letterbox]:
    """Voxels in the common shape, and where their planes lie in the square."""
    height, width = voxels.shape[1:3]
    letterbox = _letterbox(height, width, spacing, how)
    shape = letterbox.shape
    depth = nearest_depth(len(voxels), how.depths)
    planes = _deepened(np.stack([resize(plane, shape) for plane in voxels]), depth)
    canvas = np.empty((depth, how.size, how.size, *planes.shape[3:]), dtype=planes.dtype)
    canvas[:] = np.median(voxels[:, [0, 0, -1, -1], [0, -1, 0, -1]], axis=(0, 1))
    top, left = letterbox.offset
    canvas[:, top : top + shape[0], left : left + shape[1]] = planes
    return canvas, letterbox


def _letterbox(
    height: int, width: int, spacing: tuple[float, float, float] | None, how: Unify
) -> Letterbox:
    """Where planes of these voxels lie in the square."""
    _, down, across = spacing or (1.0, 1.0, 1.0)
    return Letterbox.of(height * down, width * across, how.size)


def _deepened(planes: NDArray[Any], depth: int) -> NDArray[Any]:
    """Resample along the depth, bilinear, with antialiasing when it shrinks."""
    if len(planes) == depth:
        return planes
    rows = [resize(planes[:, row], (depth, planes.shape[2])) for row in range(planes.shape[1])]
    return np.stack(rows, axis=1)
