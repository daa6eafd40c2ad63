"""From one thing that was read to the samples that are stored: tiles, slices, frames, windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.data.card import Cutting
from medfm_cli.data.common_shape import known_spacing, to_common_shape, to_grey_levels
from medfm_cli.data.tiling import before_tiling, tiles_of
from medfm_cli.samples.content import Audio, Content, Image2D, Signal, Video, Volume
from medfm_cli.samples.parts import Box, evenly
from medfm_cli.samples.pixels import resize, shrunk

ANISOTROPY = 1.05
"""From this ratio of the sides of a voxel on, a slice is stretched to square pixels."""
MOST_STRETCHED = 50.0
"""From this ratio on the spacing is no spacing."""
VISIBLE = 0.25
"""A box stays with a tile that shows at least this part of its area, clipped to the tile."""


@dataclass(frozen=True, slots=True)
class PartOf:
    """A part of an item that is a sample of its own; the whole is the part with no suffix.

    Attributes:
        suffix: of the sample's name, such as `-t03` or `-axial012`.
        content: the part itself; not always of the item's kind.
        place: where in the item it lies, for the sample's facts.
        mask: of the part, where the item has one.
        boxes: of the part, in its pixels.
    """

    suffix: str
    content: Content
    place: dict[str, Any] = field(default_factory=dict)
    mask: NDArray[Any] | None = None
    boxes: tuple[Box, ...] = ()


def cut_content(
    content: Content,
    cutting: Cutting,
    *,
    mask: NDArray[Any] | None = None,
    boxes: Sequence[Box] = (),
) -> list[PartOf]:
    """The samples that an item becomes.

    Images are cut into tiles or stay whole, volumes into slices of the configured planes,
    videos into frames, signals and audio into windows; everything else stays as it is. At last,
    where one shape is configured, images and volumes get it. All numbers are capped by `cutting`.

    Args:
        content: what was read.
        cutting: what to take of it.
        mask: of an image `[H, W]` or volume `[D, H, W]`; it is cut alike.
        boxes: of an image.
    """
    whole = PartOf("", content, {}, mask, tuple(boxes))
    if isinstance(content, Image2D):
        parts = _tiles(content, cutting, whole)
    elif isinstance(content, Volume) and cutting.planes:
        parts = _slices(content, cutting, mask)
    elif isinstance(content, Video) and cutting.stills:
        parts = _frames(content, cutting)
    elif isinstance(content, Signal | Audio) and cutting.window_seconds is not None:
        parts = _windows(content, cutting.window_seconds, cutting.windows)
    else:
        parts = [whole]
    return [_unified(part, cutting) for part in parts]


def _tiles(image: Image2D, cutting: Cutting, whole: PartOf) -> list[PartOf]:
    base = before_tiling(image.pixels, cutting)
    down, across = (old / new for old, new in zip(image.pixels.shape[:2], base.shape, strict=False))
    mask = whole.mask
    if mask is not None and base is not image.pixels:
        mask = _resampled(mask, base.shape[:2])
    cut = tiles_of(base, cutting)
    parts: list[PartOf] = []
    for number, (y, x, pixels) in enumerate(cut):
        height, width = pixels.shape[:2]
        small = shrunk(pixels, cutting.max_side)
        scale = (small.shape[0] / height, small.shape[1] / width)
        region = (slice(y, y + height), slice(x, x + width))
        covered = None if mask is None else _resampled(mask[region], small.shape[:2])
        place: dict[str, Any] = {}
        if len(cut) > 1:
            place["tile"] = [round(y * down), round(x * across)]
        if small is not pixels or base is not image.pixels:
            place["reduced_from"] = [round(height * down), round(width * across)]
        offset = (-y * scale[0], -x * scale[1])
        boxes = _moved(whole.boxes, (scale[0] / down, scale[1] / across), offset, small.shape[:2])
        suffix = f"-t{number:02d}" if len(cut) > 1 else ""
        parts.append(PartOf(suffix, Image2D(small), place, covered, boxes))
    return parts


def _slices(volume: Volume, cutting: Cutting, mask: NDArray[Any] | None) -> list[PartOf]:
    """Up to `slices` a plane, spread over the central half, head or front up, pixels square."""
    voxels, _ = to_grey_levels(volume)
    spacing = known_spacing(volume.spacing) or (1.0, 1.0, 1.0)
    parts: list[PartOf] = []
    for plane in cutting.planes:
        axis = ("axial", "coronal", "sagittal").index(plane)
        count = voxels.shape[axis]
        margin = count // 4
        down, across = (spacing[other] for other in range(3) if other != axis)
        for position in (margin + i for i in evenly(count - 2 * margin, cutting.slices)):
            pixels = _plane(voxels, axis, position)
            shape = _square(pixels.shape[:2], down, across)
            picture = Image2D(shrunk(resize(np.ascontiguousarray(pixels), shape), cutting.max_side))
            cut = None
            if mask is not None:
                cut = _resampled(_plane(mask, axis, position), picture.pixels.shape[:2])
            place = {"plane": plane, "slice": position}
            parts.append(PartOf(f"-{plane}{position:03d}", picture, place, cut))
    return parts


def _frames(video: Video, cutting: Cutting) -> list[PartOf]:
    """Up to `frames` frames, evenly spaced."""
    parts: list[PartOf] = []
    for number in evenly(len(video.frames), cutting.frames):
        place: dict[str, Any] = {"frame": number}
        if video.rate:
            place["seconds"] = round(number / video.rate, 3)
        picture = Image2D(shrunk(np.ascontiguousarray(video.frames[number]), cutting.max_side))
        parts.append(PartOf(f"-f{number:04d}", picture, place))
    return parts


def _windows(signal: Signal | Audio, seconds: float, limit: int) -> list[PartOf]:
    """Up to `limit` whole windows without overlap, evenly spaced; what is shorter stays whole."""
    length = max(1, round(seconds * signal.rate))
    count = signal.values.shape[1] // length
    if signal.values.shape[1] <= length:
        return [PartOf("", signal)]
    parts: list[PartOf] = []
    for number in evenly(count, limit):
        start = number * length
        values = np.ascontiguousarray(signal.values[:, start : start + length])
        place = {
            "window": [round(start / signal.rate, 3), round((start + length) / signal.rate, 3)]
        }
        parts.append(PartOf(f"-w{number:04d}", replace(signal, values=values), place))
    return parts


def _unified(part: PartOf, cutting: Cutting) -> PartOf:
    if cutting.unify is None or not isinstance(part.content, Image2D | Volume):
        return part
    done = to_common_shape(part.content, cutting.unify, mask=part.mask)
    place: dict[str, Any] = {"unified_from": list(part.content.array.shape)}
    if done.greys is not None:
        place["greys"] = [float(value) for value in done.greys]
        place |= {"unit": part.content.unit} if isinstance(part.content, Volume) else {}
    shape = done.volume.voxels.shape[1:3]
    boxes = _moved(part.boxes, done.scale, done.offset, shape)
    return PartOf(part.suffix, done.volume, part.place | place, done.mask, boxes)


def _plane(array: NDArray[Any], axis: int, position: int) -> NDArray[Any]:
    """A slice of `[D, H, W]` as it is looked at: the head (or, axial, the front) at the top."""
    plane: NDArray[Any] = array.take(position, axis=axis)
    return plane if axis == 0 else plane[::-1]


def _square(shape: Sequence[int], down: float, across: float) -> tuple[int, int]:
    """The shape with square pixels of a slice with such spacing."""
    height, width = shape
    unit = min(down, across)
    if not ANISOTROPY <= max(down, across) / unit <= MOST_STRETCHED:
        return height, width
    return max(1, round(height * down / unit)), max(1, round(width * across / unit))


def _resampled(mask: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """A mask in another size, by the nearest pixel."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.int64)
        for old, new in zip(mask.shape, shape, strict=True)
    )
    return np.ascontiguousarray(mask[rows][:, columns])


def _moved(
    boxes: Sequence[Box],
    scale: tuple[float, float],
    offset: tuple[float, float],
    shape: Sequence[int],
) -> tuple[Box, ...]:
    """Boxes in the pixels of a part; those of which the part shows too little are left out."""
    moved: list[Box] = []
    for box in boxes:
        x0, x1 = (value * scale[1] + offset[1] for value in (box.x0, box.x1))
        y0, y1 = (value * scale[0] + offset[0] for value in (box.y0, box.y1))
        left, right = (min(max(value, 0.0), float(shape[1])) for value in (x0, x1))
        top, bottom = (min(max(value, 0.0), float(shape[0])) for value in (y0, y1))
        area, seen = (x1 - x0) * (y1 - y0), (right - left) * (bottom - top)
        if area > 0 and seen >= VISIBLE * area:
            moved.append(Box(box.label, left, top, right, bottom))
    return tuple(moved)
