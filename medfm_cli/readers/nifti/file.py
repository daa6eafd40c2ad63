"""NIfTI-1, NIfTI-2 and Analyze files, one file or a header with its image, gzipped or not."""

from __future__ import annotations

import gzip
import io
import logging
import re
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable
from medfm_cli.readers.faults import is_of_the_disk
from medfm_cli.readers.voxels import Steps, check_size, places_of, rescaled, turned

MAX_BYTES = 4 << 30
"""A volume that would need more memory than this, uncompressed, is refused."""
_HEADER = 540
_BEHIND = 1 << 20
"""How far behind the last voxel a gzipped file is read, to see that it is not damaged (bytes)."""
_UNITS = {"meter": 1000.0, "micron": 0.001}
_BITS = {2: 8, 4: 16, 8: 32, 16: 32, 64: 64, 128: 24, 130: 8, 132: 16, 136: 32}
"""Bits of a voxel by the code of its type."""
_ENDING = re.compile(r"\.hdr(\.gz)?$", re.IGNORECASE)
_IMAGES = (".img", ".img.gz", ".IMG", ".IMG.gz")
Stream = gzip.GzipFile | io.BufferedReader


def kind_of(head: bytes) -> str:
    """`single`, `pair` or `analyze` by the beginning of a file, empty when it is none of them."""
    if head.startswith(b"\x1f\x8b"):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, 600)
        except zlib.error:
            return ""
    if head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0":
        return "single"
    if head[344:348] == b"ni1\0" or head[4:8] == b"ni2\0":
        return "pair"
    return "analyze" if _is_analyze(head) else ""


def _is_analyze(head: bytes) -> bool:
    """Analyze 7.5 has no mark: its size, its dimensions, and bits that fit the type of voxels."""
    if len(head) < 348:
        return False
    order: Any = "little" if head[0] == 0x5C else "big"
    size, dimensions, kind, bits = (
        int.from_bytes(head[start:end], order)
        for start, end in ((0, 4), (40, 42), (70, 72), (72, 74))
    )
    return size == 348 and 1 <= dimensions <= 7 and _BITS.get(kind) == bits


def image_of(path: Path) -> Path | None:
    """The file with the voxels that belongs to a header file; None when it is not there."""
    ending = _ENDING.search(path.name)
    if ending is None:
        return None
    stem = path.name[: ending.start()]
    return next((p for end in _IMAGES if (p := path.with_name(stem + end)).is_file()), None)


@contextmanager
def opened(path: Path) -> Iterator[Scan]:
    """A scan with its voxels still on disk, whatever the file is called.

    Raises:
        Unreadable: it is damaged, too large, or no volume; raised in the block too.
        OSError: it cannot be opened.
    """
    try:
        with _quiet(), ExitStack() as stack:
            stream = stack.enter_context(_stream(path))
            head = stream.read(_HEADER)
            stream.seek(0)
            kind = kind_of(head)
            if kind == "single":
                yield Scan(_classes(kind, head)[0].from_stream(stream), path, stream)
                return
            voxels = image_of(path)
            if voxels is None:
                raise Unreadable("a header of a volume whose image file (.img) is not there")
            image = stack.enter_context(_stream(voxels))
            yield Scan(_paired(kind, head, image), voxels, image)
    except Unreadable:
        raise
    except MemoryError:
        raise Unreadable("the volume needs more memory than there is") from None
    except Exception as error:  # a damaged header or stream fails in many ways
        if is_of_the_disk(error):
            raise
        if "invalid intercept" in str(error) or "invalid slope" in str(error):
            raise Unreadable("its header has a slope or intercept that is no number") from None
        raise Unreadable("a damaged or truncated NIfTI file") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what nibabel says of a damaged header to itself."""
    logger = logging.getLogger("nibabel.global")
    before = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            logger.setLevel(before)


@contextmanager
def _stream(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if packed else path.open("rb") as stream:
        yield stream


def _classes(kind: str, head: bytes) -> list[Any]:
    import nibabel

    sizes = {int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big")}
    if kind == "single":
        return [nibabel.Nifti2Image if 540 in sizes else nibabel.Nifti1Image]
    if kind == "pair":
        return [nibabel.Nifti2Pair if 540 in sizes else nibabel.Nifti1Pair]
    return [nibabel.Spm2AnalyzeImage, nibabel.Spm99AnalyzeImage, nibabel.AnalyzeImage]


def _paired(kind: str, head: bytes, image: Stream) -> Any:
    from nibabel.fileholders import FileHolder

    for found in _classes(kind, head):
        if found.header_class.may_contain_header(head):
            holders = {"header": FileHolder(fileobj=io.BytesIO(head))}
            holders["image"] = FileHolder(fileobj=image)
            if kind == "analyze" and "mat" in dict(found.files_types):
                holders["mat"] = FileHolder(fileobj=io.BytesIO())
            return found.from_file_map(holders)
    raise Unreadable("a damaged header of a volume")


class Scan:
    """A volume, or a series of them, seen along the patient's axes however it is stored.

    Args:
        image: nibabel's image, with its voxels on disk.
        path: the file that holds the voxels.
        stream: the same, open.

    Raises:
        Unreadable: it is no volume, or has voxels of a type that is not read.
    """

    def __init__(self, image: Any, path: Path, stream: Stream) -> None:
        self._image = image
        self._stream = stream
        self._size = None if isinstance(stream, gzip.GzipFile) else path.stat().st_size
        self.stored: tuple[int, ...] = tuple(int(side) for side in image.shape)
        if len(self.stored) < 3 or min(self.stored, default=0) < 1:
            raise Unreadable("not a volume: it has fewer than three dimensions", step="quality")
        self.dtype: np.dtype[Any] = np.dtype(image.header.get_data_dtype())
        unit = _unit(image.header)
        self.affine = np.asarray(image.affine, np.float64) * np.array([[unit]] * 3 + [[1.0]])
        self.steps: Steps = self.affine[:3, :3].T * np.array([-1.0, -1.0, 1.0])
        places = places_of(self.steps)
        if places is None:
            raise Unreadable("not a volume: it has fewer than three dimensions", step="quality")
        self.order, self.flips = places
        if self.dtype.kind not in "uif" and not self.colour:
            raise Unreadable("voxels of this type make no grey image", step="quality")

    @property
    def format(self) -> str:
        """What the file's format is called."""
        return "NIfTI" if hasattr(self._image.header, "get_xyzt_units") else "Analyze"

    @property
    def colour(self) -> bool:
        """Whether voxels are red, green and blue."""
        return self.dtype.names == ("R", "G", "B")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Depth, height and width, as `content.Volume` has them."""
        depth, height, width = (self.stored[axis] for axis in self.order)
        return depth, height, width

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Of the same axes, in mm."""
        depth, height, width = (float(np.linalg.norm(self.steps[axis])) for axis in self.order)
        return depth, height, width

    @property
    def count(self) -> int:
        """How many volumes there are."""
        count = 1
        for side in self.stored[3:]:
            count *= side
        return count

    def check(self, max_pixels: int, max_values: int) -> None:
        """Refuse what is too large, or (uncompressed) too short, before any voxel is read."""
        _, height, width = self.shape
        if width * height > max_pixels:
            raise Unreadable(f"slices of {width * height / 1e6:.0f} megapixels")
        check_size(self.stored[:3], max_values)
        if self._bytes(1) > MAX_BYTES:
            raise Unreadable(f"a volume of more than {MAX_BYTES >> 30} GB")
        if self._size is not None and self._end > self._size:
            raise Unreadable("a truncated NIfTI file")

    def slice(self, position: int, which: int = 0) -> NDArray[Any]:
        """The axial slice of a volume at this height (from the feet): front up, right on the left.

        `which` is the volume's number in a series.
        """
        depth_axis, height_axis, width_axis = self.order
        stored = self.shape[0] - 1 - position if self.flips[0] else position
        places = np.unravel_index(which, self.stored[3:], order="F") if self.stored[3:] else ()
        index: list[Any] = [slice(None)] * 3 + [int(place) for place in places]
        index[depth_axis] = stored
        plane = np.asarray(self._image.dataobj[tuple(index)])
        if height_axis > width_axis:
            plane = plane.T
        flips = (slice(None, None, -1 if flip else None) for flip in self.flips[1:])
        turned_plane: NDArray[Any] = plane[tuple(flips)]
        return turned_plane

    def volume(self, which: int) -> NDArray[Any]:
        """One of the volumes, turned, `[D, H, W]` or `[D, H, W, 3]`, scaled without loss."""
        from nibabel.arrayproxy import ArrayProxy

        proxy = self._image.dataobj
        layout = (proxy.shape, proxy.dtype, proxy.offset, 1.0, 0.0)
        plain: Any = ArrayProxy(  # type: ignore[no-untyped-call]
            proxy.file_like, layout, mmap=False, order=proxy.order
        )
        places = np.unravel_index(which, self.stored[3:], order="F") if self.stored[3:] else ()
        stored = np.asarray(plain[(slice(None),) * 3 + tuple(int(place) for place in places)])
        if self.colour:
            values = np.stack([stored[name] for name in ("R", "G", "B")], axis=-1)
        else:
            values = rescaled(stored, float(proxy.slope), float(proxy.inter))
        found = turned(values, self.steps)
        assert found is not None  # noqa: S101 - the steps were checked
        return found[0]

    def read_to_the_end(self) -> None:
        """Find out that a gzipped file is cut short or damaged behind what was taken of it."""
        if isinstance(self._stream, gzip.GzipFile):
            left = self._end - self._stream.tell()
            while left > 0:
                data = self._stream.read(min(left, 1 << 20))
                if not data:
                    raise Unreadable("a damaged or truncated NIfTI file")
                left -= len(data)
            try:
                self._stream.read(_BEHIND)
            except gzip.BadGzipFile as error:
                if "Not a gzipped file" not in str(error):  # else only something lies behind it
                    raise

    def lies_on(self, other: Scan) -> bool:
        """Whether both have the same grid in the patient, however their axes are stored."""
        if self.shape != other.shape:
            return False
        near = 0.05 * min(self.spacing)
        for mine, theirs in zip(self._corners(), other._corners(), strict=True):
            if not np.allclose(mine, theirs, rtol=0, atol=near):
                return False
        return True

    @property
    def _end(self) -> int:
        return int(self._image.dataobj.offset) + self._bytes(self.count)

    def _bytes(self, count: int) -> int:
        size = count * self.dtype.itemsize
        for side in self.stored[:3]:
            size *= side
        return size

    def _corners(self) -> Iterator[NDArray[np.float64]]:
        """Where the first voxel of the turned volume lies, and the last of each of its axes."""
        first = np.zeros(4)
        first[3] = 1
        for axis, flip in zip(self.order, self.flips, strict=True):
            first[axis] = self.stored[axis] - 1 if flip else 0
        yield self.affine @ first
        for axis, flip in zip(self.order, self.flips, strict=True):
            last = first.copy()
            last[axis] = 0 if flip else self.stored[axis] - 1
            yield self.affine @ last


def _unit(header: Any) -> float:
    """How many mm a unit of the affine is."""
    if not hasattr(header, "get_xyzt_units"):
        return 1.0
    try:
        return _UNITS.get(header.get_xyzt_units()[0], 1.0)
    except KeyError:
        return 1.0
