"""The fingerprint of a sample: enough to find its near-duplicates without its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.similarity.perceptual import perceptual_hash, small
from medfm_cli.samples.content import Content, Image2D, Video, Volume

_TAILS = (1, 99)  # percentiles of a slice that become black and white
_MOST_SAMPLED = 1 << 16  # voxels that the percentiles are taken from


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a image looks like.

    Attributes:
        hash: of `perceptual_hash`, 0 ≤ hash < 2⁶³, so that SQLite holds it as it is.
        thumb: the 32×32 grey bytes that it is made from, to compare those with near hashes.
    """

    hash: int
    thumb: bytes


def fingerprint(content: Content) -> Fingerprint | None:
    """The fingerprint of a image, a volume's middle slice, or a video's first frame.

    None for what is not seen (signals, sound, tables, text) and for what shows nothing (one grey).
    """
    pixels = _seen(content) if content.array.size else None
    if pixels is None:
        return None
    image = small(pixels)
    value = perceptual_hash(image)
    return None if value is None else Fingerprint(value, image.tobytes())


def _seen(content: Content) -> NDArray[np.uint8] | None:
    if isinstance(content, Image2D):
        return content.pixels
    if isinstance(content, Volume):
        middle: NDArray[Any] = content.voxels[len(content.voxels) // 2]
        return _windowed(middle)
    if isinstance(content, Video):
        first: NDArray[np.uint8] = content.frames[0]
        return first
    return None


def _windowed(plane: NDArray[Any]) -> NDArray[np.uint8]:
    """A slice `[H, W]` or `[H, W, 3]` in grey steps, from its own darkest to its brightest."""
    if plane.dtype == np.uint8:
        return np.ascontiguousarray(plane)
    values = np.nan_to_num(plane.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    flat = values.reshape(-1)
    low, high = np.percentile(flat[:: max(1, flat.size // _MOST_SAMPLED)], _TAILS)
    if high <= low:
        low, high = float(flat.min(initial=0)), float(flat.max(initial=0))
    shades = np.round(np.clip((values - low) * (255 / max(high - low, 1e-12)), 0, 255))
    grey: NDArray[np.uint8] = shades.astype(np.uint8)
    return grey
