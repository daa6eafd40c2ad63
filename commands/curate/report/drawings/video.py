"""A video as a strip of frames, evenly spaced, each with its time."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.report.drawings.tiles import fitted
from medfm_cli.readers.item import evenly
from medfm_cli.samples.content import Video

FRAMES: Final = 6


def strip(video: Video, side: int) -> list[NDArray[np.uint8]]:
    """Up to six frames as squares, first and last among them."""
    return [
        np.asarray(fitted(video.frames[number], side, marks={"sw": _time(video, number)}))
        for number in evenly(len(video.frames), FRAMES)
    ]


def about(video: Video) -> str:
    """Size, frames and rate in words."""
    count, height, width = video.frames.shape[:3]
    words = f"{width} × {height}, {count} frames"
    return f"{words} at {video.rate:.3g} a second" if video.rate else f"{words}, rate UNKNOWN"


def _time(video: Video, number: int) -> str:
    return f"{number / video.rate:.2f} s" if video.rate else f"frame {number + 1}"
