"""Mosaics: one image whose tiles are the slices of a volume, as MR scanners write them.

Siemens puts n slices into a square of ⌈√n⌉ × ⌈√n⌉ tiles and says in its CSA header how many there
are and in which direction they follow each other. Its position is that of a slice as large as the
mosaic around the same centre. United Imaging (UIH) uses only as many rows of tiles as it needs, and
gives the position of every slice. Both as dcm2niix and nibabel (doc/theory/dicom_mosaic) have it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable
from medfm_cli.readers.dicom.frames import made
from medfm_cli.readers.dicom.geometry import slice_of, values
from medfm_cli.readers.dicom.pixels import Decoder
from medfm_cli.readers.dicom.slices import Slice, Vector, arrange
from medfm_cli.readers.item import Item, ReadOptions, evenly
from medfm_cli.readers.voxels import check_size
from medfm_cli.samples.content import Image2D

if TYPE_CHECKING:
    from pydicom import Dataset

_SIEMENS_COUNT = (0x0019, "SIEMENS MR HEADER", 0x0A)
"""Group, owner and element of the number of slices."""
_UIH_COUNT = (0x0065, "Image Private Header", 0x50)
_UIH_SLICES = (0x0065, "Image Private Header", 0x51)
_UNKNOWN = (
    "not an image: slices tiled in one image (mosaic), and its header does not say how; "
    "convert it with dcm2niix first"
)
_PARALLEL = 0.99
"""Cosine from which on slices follow each other along their normal."""


@dataclass(frozen=True)
class Mosaic:
    """How an image is made of slices.

    Attributes:
        height, width: rows and columns of a slice.
        across: tiles beside each other.
        slices: what is known of each, in the order of the tiles.
    """

    height: int
    width: int
    across: int
    slices: list[Slice]

    def tile(self, image: NDArray[Any], number: int) -> NDArray[Any]:
        """A slice of a mosaic, `[H, W]` or `[H, W, 3]`."""
        top = number // self.across * self.height
        left = number % self.across * self.width
        return image[top : top + self.height, left : left + self.width]


def items(
    decoder: Decoder, options: ReadOptions, facts: dict[str, Any], common: dict[str, Any]
) -> Iterator[Item]:
    """The volume of a mosaic, or with `options.whole` off up to `options.frames` of its slices.

    Raises:
        Unreadable: its header does not say how it is made, or it cannot be decoded.
    """
    mosaic = mosaic_of(decoder.dataset, decoder.rows, decoder.columns)
    count = len(mosaic.slices)
    facts = facts | {"rows": mosaic.height, "columns": mosaic.width, "slices": count}
    if not options.whole:
        image, display = decoder.image(0)  # one scale of greys for all slices
        for number in evenly(count, options.frames):
            tile = np.ascontiguousarray(mosaic.tile(image, number))
            yield Item(Image2D(tile), facts | {"display": display}, frame=number, **common)
        return
    check_size((count, mosaic.height, mosaic.width), options.max_values)
    _, stored = next(decoder.values([0]))
    real = decoder.real(stored, 0)
    order = arrange(mosaic.slices)
    array = np.stack([mosaic.tile(real, number) for number in order.order])
    notes = {"notes": (*common.get("notes", ()), *order.notes)}
    yield Item(made(array, order, unit=decoder.unit(0)), facts, **(common | notes))


def mosaic_of(dataset: Dataset, rows: int, columns: int) -> Mosaic:
    """How the image of a header is tiled.

    Raises:
        Unreadable: its header does not say it, or contradicts itself.
    """
    listed = "VFRAME" in values(dataset, "ImageType")
    csa = {} if listed else _csa(dataset)
    count = _whole(csa.get("NumberOfImagesInMosaic"))
    count = count or _whole(_private(dataset, _UIH_COUNT if listed else _SIEMENS_COUNT))
    across = math.isqrt(max(count - 1, 0)) + 1
    down = -(-count // across) if listed else across
    if count < 2 or rows % down or columns % across:
        raise Unreadable(_UNKNOWN, step="quality")
    height, width = rows // down, columns // across
    one = replace(slice_of(dataset), kind=(), marks=())
    if listed:
        places = _listed(dataset, count)
    else:
        first = _first(one, rows - height, columns - width)
        places = _stepped(one, first, csa.get("SliceNormalVector"), count)
    slices = [replace(one, uid=str(i), number=i, position=at) for i, at in enumerate(places)]
    return Mosaic(height, width, across, slices)


def _listed(dataset: Dataset, count: int) -> list[Vector | None]:
    """The position that a sequence of UIH has for each slice; none where one is missing."""
    try:
        found = [slice_of(item).position for item in _private(dataset, _UIH_SLICES)]
    except Exception:  # a damaged element is as good as none
        found = []
    whole = len(found) == count and all(found)
    return found if whole else [None] * count


def _first(one: Slice, rows: int, columns: int) -> Vector | None:
    """The position of the first slice: that of the mosaic, brought in by half of the difference.

    Args:
        one: what the header says of the mosaic.
        rows, columns: by how much it is larger than a slice.
    """
    if one.position is None or one.across is None or one.down is None or one.spacing is None:
        return None
    inwards = np.array(one.across) * one.spacing[1] * columns / 2
    inwards += np.array(one.down) * one.spacing[0] * rows / 2
    return _moved(one.position, inwards)


def _stepped(one: Slice, first: Vector | None, way: Any, count: int) -> list[Vector | None]:
    """Positions along the way that Siemens' header has; none where it is not known."""
    normal = one.normal
    if first is None or normal is None or not one.gap or way is None or len(way) != 3:
        return [None] * count
    cosine = float(normal @ np.array(way, float))
    if not abs(cosine) > _PARALLEL:
        return [None] * count
    step = normal * one.gap * math.copysign(1, cosine)
    return [_moved(first, step * number) for number in range(count)]


def _moved(start: Vector, way: NDArray[np.float64]) -> Vector:
    x, y, z = (float(a + b) for a, b in zip(start, way, strict=True))
    return x, y, z


def _csa(dataset: Dataset) -> dict[str, list[Any]]:
    """The values of Siemens' CSA image header by their names; none where it is absent."""
    from nibabel.nicom.csareader import get_csa_header

    try:
        found = get_csa_header(dataset)  # type: ignore[no-untyped-call]
        return {name: tag["items"] for name, tag in found["tags"].items()} if found else {}
    except Exception:  # a damaged header is as good as none
        return {}


def _private(dataset: Dataset, place: tuple[int, str, int]) -> Any:
    """The value of a private element; none where it is absent or damaged."""
    group, owner, element = place
    try:
        return dataset.private_block(group, owner)[element].value
    except Exception:
        return None


def _whole(value: Any) -> int:
    """A whole number, as number or text or the first of a list; 0 for anything else."""
    try:
        first = value[0] if isinstance(value, list) else value
        if isinstance(first, bytes):  # US that was read as unknown
            return int.from_bytes(first, "little") if len(first) == 2 else 0
        return int(first)
    except (TypeError, ValueError, IndexError):
        return 0
