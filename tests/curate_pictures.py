"""Pictures, their copies, and how they stand in a catalog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medfm_cli.commands.curate.similarity.fingerprint import fingerprint
from medfm_cli.samples.content import Image2D

Pixels = NDArray[np.uint8]


def drawn(count: int, *, seed: int = 0, size: tuple[int, int] = (240, 200)) -> list[Image.Image]:
    """Smooth grey pictures, no two of them alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 20, 20), dtype=np.uint8)
    return [Image.fromarray(each).resize(size, Image.Resampling.BICUBIC) for each in coarse]


def seen(image: Image.Image | Pixels, **values: Any) -> dict[str, Any]:
    """A row of the catalog with the fingerprint of a picture."""
    found = fingerprint(Image2D(np.asarray(image)))
    assert found is not None
    return {"phash": found.hash, "thumb": found.thumb, **values}


def numbered(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each row from a file of its own."""
    return [{"entry": i, "file": i, "file_sha": f"file{i}"} | row for i, row in enumerate(rows)]
