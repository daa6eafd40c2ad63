"""TIFF that Pillow reads wrongly or not at all, through tifffile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable
from medfm_cli.readers.images.deep import by_used_bits
from medfm_cli.samples.to_uint8 import stretch

if TYPE_CHECKING:
    from PIL.Image import Image

_BITS, _PLANAR, _SAMPLE_FORMAT = 258, 284, 339
_SIGNED, _SEPARATE = 2, 2


def is_odd(image: Image) -> bool:
    """Whether Pillow decodes this TIFF into other numbers than it holds.

    Signed bytes come out wrapped, and deep colours in separate planes as noise.
    """
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return False
    bits = np.atleast_1d(tags.get(_BITS, 1))
    signed = _SIGNED in np.atleast_1d(tags.get(_SAMPLE_FORMAT, 1))
    separate = tags.get(_PLANAR, 1) == _SEPARATE
    return bool((signed and bits.max() == 8) or (separate and bits.max() > 8 and len(bits) > 1))


def by_tifffile(path: Path, most: int) -> NDArray[np.uint8]:
    """The first page as uint8 `[H, W]` or `[H, W, 3]`.

    Raises:
        Unreadable: it has more pixels than `most`, or a layout that makes no image.
        Exception: whatever tifffile raises for a damaged file.
    """
    import tifffile

    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        if page.size > 4 * most:
            raise Unreadable(f"an image of {page.size / 1e6:.0f} million values")
        values = np.asarray(page.asarray())
        photometric = int(getattr(page, "photometric", 1))
        planes_first = values.ndim == 3 and int(getattr(page, "planarconfig", 1)) == _SEPARATE
    if planes_first:
        values = np.moveaxis(values, 0, -1)
    if values.ndim == 3 and values.shape[2] in (3, 4):
        return by_used_bits(values[..., :3])
    if values.ndim == 3 and values.shape[2] in (1, 2):
        values = values[..., 0]
    if values.ndim != 2:
        raise Unreadable("a TIFF whose layout is not that of an image", step="quality")
    deep = values.dtype.itemsize > 1 or values.dtype.kind == "i"
    grey = stretch(values) if deep else values.astype(np.uint8)
    return 255 - grey if photometric == 0 else grey
