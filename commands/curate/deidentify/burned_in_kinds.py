"""Burned-in text in samples of every kind that has pixels: where it is, and masking it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.deidentify.burned_in import Region, find_text
from medfm_cli.readers.item import evenly
from medfm_cli.samples.content import Content, Image2D, Video, Volume

LOOKED_AT = 5
"""Frames of a video, or slices of a volume, that are searched."""
ROUNDS = 4
"""How often an image is masked and searched again before it is given up."""


def regions(content: Content, *, least: float) -> list[Region]:
    """Where text is suspected in a sample: in a image, in frames of a video, in slices.

    Args:
        content: any sample; what has no pixels has none of it.
        least: strokes that a line must have.
    """
    if isinstance(content, Image2D):
        return find_text(content.pixels, least=least)
    if isinstance(content, Video):
        found = [find_text(content.frames[i], least=least) for i in _sample(content.frames)]
    elif isinstance(content, Volume):
        found = [find_text(s, least=least) for s in _slices(content.voxels)]
    else:
        return []
    return [region for regions in found for region in regions]


def mask_text(content: Content, where: list[Region]) -> Content:
    """The sample with each region filled with what surrounds it, in every frame and slice."""
    if isinstance(content, Image2D):
        return replace(content, pixels=_filled(content.pixels[None], where)[0])
    if isinstance(content, Video):
        return replace(content, frames=_filled(content.frames, where))
    if isinstance(content, Volume):
        return replace(content, voxels=_filled(content.voxels, where))
    return content


def blank(content: Content, *, least: float) -> Content | None:
    """Mask text until none is found any more; None when some is found again and again."""
    for _ in range(ROUNDS):
        where = regions(content, least=least)
        if not where:
            return content
        content = mask_text(content, where)
    return None


def _filled(frames: NDArray[Any], where: list[Region]) -> NDArray[Any]:
    """Frames `[T, H, W]` or `[T, H, W, 3]`, each region filled with the median of its border."""
    frames = frames.copy()
    for region in where:
        y0, x0, y1, x1 = region.y0, region.x0, region.y1, region.x1
        for frame in frames:
            part = frame[y0:y1, x0:x1]
            edge = np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]])
            frame[y0:y1, x0:x1] = np.median(edge, axis=0).astype(frame.dtype)
    return frames


def _sample(frames: NDArray[Any]) -> list[int]:
    return evenly(len(frames), LOOKED_AT)


def _slices(voxels: NDArray[Any]) -> list[NDArray[np.uint8]]:
    """Some axial slices, their values stretched to 0–255 as one."""
    chosen = voxels[_sample(voxels)].astype(np.float32)
    finite = chosen[np.isfinite(chosen)]
    if finite.size == 0:
        return []
    low, high = float(finite.min()), float(finite.max())
    scaled = np.nan_to_num((chosen - low) * (255 / max(high - low, 1e-6)), posinf=255, neginf=0)
    return list(np.clip(scaled, 0, 255).astype(np.uint8))
