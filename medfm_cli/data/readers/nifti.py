"""NIfTI volumes: axial slices, as a radiologist looks at them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.data.content import Picture
from medfm_cli.data.preprocess import resize
from medfm_cli.data.readers.greys import limits, scale
from medfm_cli.data.readers.item import Item, ReadOptions, Unreadable, evenly

MAX_BYTES = 4 << 30
"""A volume that would need more memory than this, uncompressed, is refused."""
MASK_VALUES = 16
"""A volume of whole numbers with at most this many distinct values is a segmentation."""
ANISOTROPY = 1.05
"""From this ratio of the sides of a voxel on, a slice is stretched to square pixels."""


def sniff(head: bytes) -> bool:
    """Whether the file, gzipped or not, begins with a NIfTI-1 or NIfTI-2 header."""
    if head.startswith(b"\x1f\x8b"):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, 600)
        except zlib.error:
            return False
    return head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0"


def read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """Up to `options.slices` axial slices, evenly spread over the central half of the volume.

    The volume is turned to RAS; the front is at the top and the patient's right on the left of
    the picture, pixels are square. All slices share one grey scale. Of a series of volumes the
    first is taken.
    """
    try:
        with _opened(path) as (image, stream):
            volume = _Volume(image)
            packed = isinstance(stream, gzip.GzipFile)
            volume.check(options.max_pixels, None if packed else path.stat().st_size)
            margin = volume.depth // 4
            wanted = [margin + i for i in evenly(volume.depth - 2 * margin, options.slices)]
            slices = [volume.slice(position) for position in wanted]
            _read_to_the_end(stream)
    except Unreadable:
        raise
    except MemoryError:
        raise Unreadable("the volume needs more memory than there is") from None
    except Exception:  # a damaged header or stream fails in many ways
        raise Unreadable("a damaged or truncated NIfTI file") from None
    _refuse_segmentations(slices)
    low, high = limits(np.stack(slices))
    for position, values in zip(wanted, slices, strict=True):
        pixels = _square(scale(values, low=low, high=high), volume.spacing)
        yield Item(Picture(pixels), volume.facts, frame=position)


class _Volume:
    """A volume seen along the patient's axes, whatever the order in which it is stored."""

    def __init__(self, image: Any) -> None:
        from nibabel.orientations import io_orientation

        self.image = image
        orientation = io_orientation(image.affine)  # type: ignore[no-untyped-call]
        if len(image.shape) < 3 or np.isnan(orientation[:3]).any():
            raise Unreadable("no volume: it has fewer than three dimensions", step="quality")
        if image.header.get_data_dtype().kind not in "uif":
            raise Unreadable("voxels of this type make no grey image", step="quality")
        axis = {int(world): stored for stored, (world, _) in enumerate(orientation)}
        self.axes = [axis[world] for world in range(3)]
        self.flips = [orientation[stored, 1] < 0 for stored in self.axes]
        self.depth = int(image.shape[self.axes[2]])
        zooms = image.header.get_zooms()
        self.spacing = [float(zooms[stored]) for stored in self.axes]
        self.facts = {
            "format": "NIfTI",
            "shape": [int(image.shape[stored]) for stored in self.axes],
            "spacing": [round(value, 3) for value in self.spacing],
            "frames": self.depth,
            "display": "percentiles",
        }

    def check(self, max_pixels: int, file_size: int | None) -> None:
        """Refuse what is too large, or (uncompressed) too short, before any voxel is read."""
        width, height = (int(self.image.shape[stored]) for stored in self.axes[:2])
        if width * height > max_pixels:
            raise Unreadable(f"slices of {width * height / 1e6:.0f} megapixels")
        voxels = int(np.prod(self.image.shape[:3]))
        size = voxels * self.image.header.get_data_dtype().itemsize
        if size > MAX_BYTES:
            raise Unreadable(f"a volume of more than {MAX_BYTES >> 30} GB")
        if file_size is not None and self.image.dataobj.offset + size > file_size:
            raise Unreadable("a truncated NIfTI file")

    def slice(self, position: int) -> NDArray[Any]:
        """The axial slice at this height (from the feet): front up, right side on the left."""
        stored = self.depth - 1 - position if self.flips[2] else position
        index: list[Any] = [slice(None)] * 3 + [0] * (len(self.image.shape) - 3)
        index[self.axes[2]] = stored
        plane = np.asarray(self.image.dataobj[tuple(index)])
        if self.axes[0] > self.axes[1]:
            plane = plane.T  # now [left–right, back–front]
        if not self.flips[0]:
            plane = plane[::-1]
        if not self.flips[1]:
            plane = plane[:, ::-1]
        return plane.T


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, gzip.GzipFile | BufferedReader]]:
    """The image with its voxels still on disk, whatever the file is called."""
    import nibabel

    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if packed else path.open("rb") as stream:
        first = stream.read(4)
        stream.seek(0)
        second = int.from_bytes(first, "little") == 540 or int.from_bytes(first, "big") == 540
        kind = nibabel.Nifti2Image if second else nibabel.Nifti1Image
        yield kind.from_stream(stream), stream


def _read_to_the_end(stream: gzip.GzipFile | BufferedReader) -> None:
    """Find out that a gzipped file is cut short or damaged behind the slices that were taken."""
    if isinstance(stream, gzip.GzipFile):
        while stream.read(1 << 20):
            pass


def _refuse_segmentations(slices: list[NDArray[Any]]) -> None:
    """Labels of voxels are whole numbers, and few."""
    values = np.unique(np.concatenate([np.unique(plane) for plane in slices]))
    whole = np.isfinite(values).all() and (values == np.round(values)).all()
    if 1 < len(values) <= MASK_VALUES and whole and values.min() >= 0:
        raise Unreadable("no image: a segmentation", step="quality")


def _square(pixels: NDArray[np.uint8], spacing: list[float]) -> NDArray[np.uint8]:
    """Stretch the side with the longer voxels so that shapes are true."""
    across, down = spacing[:2]
    if min(across, down) <= 0 or max(across, down) / min(across, down) < ANISOTROPY:
        return pixels
    unit = min(across, down)
    height, width = pixels.shape
    return resize(pixels, (round(height * down / unit), round(width * across / unit)))
