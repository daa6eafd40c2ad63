"""NIfTI and Analyze volumes: axial slices as a radiologist looks at them, or whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable
from medfm_cli.readers.item import MAX_PIXELS, MAX_VALUES, Item, ReadOptions, evenly
from medfm_cli.readers.nifti.file import Scan, image_of, kind_of, opened
from medfm_cli.readers.nifti.segmentation import as_mask, is_segmentation, looks_labelled
from medfm_cli.samples.content import Image2D, Volume
from medfm_cli.samples.pixels import resize
from medfm_cli.samples.to_uint8 import limits, scale

ANISOTROPY = 1.05
"""From this ratio of the sides of a voxel on, a slice is stretched to square pixels."""
_HEAD = 4096


def sniff(head: bytes) -> bool:
    """Whether the file, gzipped or not, begins with a NIfTI-1, NIfTI-2 or Analyze header."""
    return bool(kind_of(head))


def companions(path: Path) -> list[Path]:
    """The file with the voxels, where they are not behind the header."""
    image = image_of(path) if _kind(path) in ("pair", "analyze") else None
    return [image] if image else []


def read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """Up to `options.slices` axial slices, evenly spread over the central half of the volume.

    The volume is turned to RAS; the front is at the top and the patient's right on the left of
    the image, pixels are square. All slices of a volume share one grey scale. With
    `options.whole` the volume itself is taken. Of a series of volumes (4-D) up to
    `options.frames` are taken, evenly spaced.
    """
    with opened(path) as scan:
        scan.check(options.max_pixels, options.max_values)
        yield from _volumes(scan, options) if options.whole else _slices(scan, options)


def read_group(paths: Sequence[Path], options: ReadOptions) -> Iterator[Item]:
    """A scan (the first header among the files) with its segmentation (the second).

    Raises:
        Unreadable: the scan cannot be read; or, after it, its segmentation cannot be used.
    """
    headers = [path for path in paths if _kind(path)]
    if not headers:
        raise Unreadable("no volume among the files")
    labels: NDArray[Any] | None = None
    refused: Unreadable | None = None
    for other in headers[1:2]:
        try:
            labels = read_mask(other, headers[0], max_values=options.max_values)
        except Unreadable as error:
            refused = error
    for item in read(headers[0], options):
        yield item if labels is None else _with_mask(item, labels)
    if refused is not None:
        raise Unreadable(f"its segmentation: {refused.reason}", step=refused.step)


def read_mask(path: Path, scan: Path, *, max_values: int = MAX_VALUES) -> NDArray[Any]:
    """A segmentation turned as its scan is, uint8 or uint16 `[D, H, W]`, 0 for background.

    Raises:
        Unreadable: it cannot be read, lies on another grid (shape, position, direction) than the
            scan, or does not hold labels.
        OSError: a file cannot be opened.
    """
    with opened(scan) as under, opened(path) as mask:
        if not mask.lies_on(under):
            raise Unreadable("it lies on another grid than its scan", step="quality")
        mask.check(MAX_PIXELS, max_values)
        values = as_mask(mask.volume(0))
        mask.read_to_the_end()
        return values


def is_mask_of(path: Path, scan: Path) -> bool:
    """Whether a file that is said to be the segmentation of a scan can be it.

    Raises:
        Unreadable: one of them cannot be read.
        OSError: one of them cannot be opened.
    """
    with opened(scan) as under, opened(path) as mask:
        if mask.colour or mask.count > 1 or not mask.lies_on(under):
            return False
        mask.check(MAX_PIXELS, MAX_VALUES)
        return looks_labelled(mask.volume(0))


def _kind(path: Path) -> str:
    with path.open("rb") as file:
        return kind_of(file.read(_HEAD))


def _slices(scan: Scan, options: ReadOptions) -> Iterator[Item]:
    if scan.colour:
        raise Unreadable("voxels of this type make no grey image", step="quality")
    depth = scan.shape[0]
    margin = depth // 4
    positions = [margin + i for i in evenly(depth - 2 * margin, options.slices)]
    facts = _facts(scan) | {"frames": depth * scan.count, "display": "percentiles"}
    chosen = evenly(scan.count, options.frames)
    for which in chosen:
        slices = [scan.slice(position, which) for position in positions]
        if which == chosen[-1]:
            scan.read_to_the_end()
        if is_segmentation(np.stack(slices)):
            raise Unreadable("not an image: a segmentation", step="quality")
        low, high = limits(np.stack(slices))
        for position, values in zip(positions, slices, strict=True):
            pixels = _square(scale(values, low=low, high=high), scan.spacing)
            frame = which * depth + position
            yield Item(Image2D(pixels), facts, frame=frame, notes=_of_series(scan, which))


def _volumes(scan: Scan, options: ReadOptions) -> Iterator[Item]:
    chosen = evenly(scan.count, options.frames)
    for which in chosen:
        voxels = scan.volume(which)
        if which == chosen[-1]:
            scan.read_to_the_end()
        if voxels.ndim == 3 and is_segmentation(voxels):
            raise Unreadable("not an image: a segmentation", step="quality")
        depth, height, width = (round(side, 6) for side in scan.spacing)
        content = Volume(voxels, (depth, height, width))
        yield Item(content, _facts(scan), frame=which, notes=_of_series(scan, which))


def _of_series(scan: Scan, which: int) -> tuple[str, ...]:
    return (f"volume {which + 1} of {scan.count} in the file",) if scan.count > 1 else ()


def _facts(scan: Scan) -> dict[str, Any]:
    """Technical facts; shape and spacing are along right–left, front–back, up."""
    facts: dict[str, Any] = {
        "format": scan.format,
        "shape": list(reversed(scan.shape)),
        "spacing": [round(side, 3) for side in reversed(scan.spacing)],
    }
    return facts | {"volumes": scan.count} if scan.count > 1 else facts


def _with_mask(item: Item, labels: NDArray[Any]) -> Item:
    """The item with the labels of its voxels, of a slice those of its pixels."""
    if isinstance(item.content, Volume):
        return replace(item, mask=labels)
    plane = labels[item.frame % len(labels)]
    height, width = item.pixels.shape
    rows = np.arange(height) * plane.shape[0] // height
    columns = np.arange(width) * plane.shape[1] // width
    return replace(item, mask=np.ascontiguousarray(plane[rows][:, columns]))


def _square(pixels: NDArray[np.uint8], spacing: tuple[float, float, float]) -> NDArray[np.uint8]:
    """Stretch the side with the longer voxels so that shapes are true."""
    _, down, across = spacing
    if min(across, down) <= 0 or max(across, down) / min(across, down) < ANISOTROPY:
        return pixels
    unit = min(across, down)
    height, width = pixels.shape
    return resize(pixels, (round(height * down / unit), round(width * across / unit)))
