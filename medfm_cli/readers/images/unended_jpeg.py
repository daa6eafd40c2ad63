"""A JPEG whose end mark is missing, such as one that a camera wrote while its battery died."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

END = b"\xff\xd9"
_OTHER_DATA = b"\x55\xaa" * 4096


def without_end(path: Path) -> Image.Image | None:
    """The image, if all its pixels are there; None where some are missing or the end is there.

    A decoder fills what is missing with what it is given: two different tails give the same image
    only where nothing is missing.
    """
    data = path.read_bytes()
    if not data.startswith(b"\xff\xd8") or END in data[-64:]:
        return None
    images = []
    for tail in (END, _OTHER_DATA + END):
        try:
            image = Image.open(io.BytesIO(data + tail), formats=["JPEG"])
            image.load()
        except OSError:
            return None
        images.append(image)
    first, second = (np.asarray(image) for image in images)
    return images[0] if np.array_equal(first, second) else None
