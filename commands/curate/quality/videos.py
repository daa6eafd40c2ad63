"""Videos: too few frames, tiny or blank ones, or nothing that moves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.options.quality import Quality
from medfm_cli.commands.curate.quality.images import aspect
from medfm_cli.samples.content import Video
from medfm_cli.samples.pixels import FLAT, sparse

_PROBE = 1 << 20
_MOVED = 0.2
"""Mean change of grey values (0–255) between two frames below which nothing moved."""


def rejection_reason(content: Video, quality: Quality) -> str:
    """Why a video is not kept, empty when it is."""
    frames = content.frames
    count, height, width = frames.shape[:3]
    if quality.min_frames is not None and count < quality.min_frames:
        return f"fewer than {quality.min_frames} frames"
    if min(height, width) < quality.min_side:
        return f"tiny: frames with a side of less than {quality.min_side} pixels"
    if reason := aspect(height, width, quality):
        return reason
    if quality.blank and sparse(frames, _PROBE).std() < FLAT:
        return "blank: all frames are of one grey"
    if quality.still and count > 1 and not _moves(frames):
        return "nothing moves: all frames are alike"
    return ""


def _moves(frames: NDArray[np.uint8]) -> bool:
    """Whether any frame differs from the first, beyond the noise of its compression."""
    first = frames[0].astype(np.int16)
    return any(
        float(np.abs(frame.astype(np.int16) - first).mean()) >= _MOVED for frame in frames[1:]
    )
