"""Images: tiny, blank, two levels only, too long, cut off, or pages of text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medfm_cli.commands.curate.options.quality import Quality
from medfm_cli.commands.curate.quality.text_pages import text_share
from medfm_cli.samples.content import Image2D
from medfm_cli.samples.pixels import is_blank, sparse

_PROBE = 4096
_MARGIN = 8
"""Tails this near to black or white may be a dark or bright border."""
_ELSEWHERE = 0.1
"""Share of the image above a tail that may have its very value; more is a background."""


def rejection_reason(content: Image2D, quality: Quality) -> str:
    """Why a image is not kept, empty when it is."""
    pixels = content.pixels
    height, width = pixels.shape[:2]
    if min(height, width) < quality.min_side:
        return f"tiny: a side of less than {quality.min_side} pixels"
    if quality.blank and is_blank(pixels):
        return "blank: all pixels are alike"
    if reason := aspect(height, width, quality):
        return reason
    if quality.two_levels and _two_levels(pixels):
        return "only two grey levels: a mask or a drawing"
    if quality.truncated is not None and (part := _tail(pixels)) >= quality.truncated:
        return f"cut off: the lower {_percent(part)} are one grey"
    if quality.text_share is not None and text_share(pixels) > quality.text_share:
        return "a page of text"
    return ""


def aspect(height: int, width: int, quality: Quality) -> str:
    """Why sides like these are refused."""
    if quality.max_aspect is None:
        return ""
    ratio = max(height, width) / max(1, min(height, width))
    return (
        f"longer than {quality.max_aspect:g} times its width" if ratio > quality.max_aspect else ""
    )


def _two_levels(pixels: NDArray[np.uint8]) -> bool:
    """Whether there are just two grey values or colours; a sparse look settles nearly all."""
    if len(np.unique(sparse(pixels, _PROBE))) > (2 if pixels.ndim == 2 else 6):
        return False
    if pixels.ndim == 2:
        return int(np.count_nonzero(np.bincount(pixels.reshape(-1), minlength=256))) == 2
    wide = pixels.astype(np.uint32)
    return len(np.unique(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2])) == 2


def _tail(pixels: NDArray[np.uint8]) -> float:
    """The share of the height that is one mid grey at the bottom and nowhere else.

    A decoder that runs out of data leaves the rest of a JPEG grey. Borders are black or white, or
    on other sides too.
    """
    last = pixels[-1].reshape(-1, 1) if pixels.ndim == 2 else pixels[-1]
    value = last[0]
    if (last != value).any() or int(value.min()) < _MARGIN or int(value.max()) > 255 - _MARGIN:
        return 0.0
    same = (pixels == value) if pixels.ndim == 2 else (pixels == value).all(axis=2)
    whole = same.all(axis=1)
    rows = int(np.argmin(whole[::-1])) if not whole.all() else len(whole)
    above = same[: len(same) - rows]
    if not above.size or above.mean() > _ELSEWHERE:
        return 0.0
    return rows / len(same)


def _percent(share: float) -> str:
    return f"{share:.0%}"
