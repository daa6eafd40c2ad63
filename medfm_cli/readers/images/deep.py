"""Images with more than 8 bits a colour, of which Pillow keeps the upper 8 only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.samples.to_uint8 import scale, stretch

if TYPE_CHECKING:
    from PIL.Image import Image

_LOW_BYTES = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}
_GREY_ALPHA = "LA;16B"
WHITE_IS_ZERO = 0
_PHOTOMETRIC = 262


def is_deep_png(image: Image) -> bool:
    """Whether an open, not yet decoded PNG has 16 bits a colour, or grey with transparency."""
    return image.format == "PNG" and _raw_mode(image) in (*_LOW_BYTES, _GREY_ALPHA)


def deep_png(image: Image, again: Image) -> NDArray[np.uint8]:
    """uint8 `[H, W]` or `[H, W, 3]` of such a PNG; transparency lies on black.

    Args:
        image, again: the same file, opened twice: Pillow decodes the upper bytes of one and the
            lower bytes of the other.
    """
    mode = _raw_mode(image)
    if mode == _GREY_ALPHA:  # four bytes a pixel: grey and transparency, each high and low
        four = _decoded(image, "RGBA").astype(np.uint16)
        grey, alpha = four[..., 0] << 8 | four[..., 1], four[..., 2] << 8 | four[..., 3]
        return _on_black(stretch(grey), alpha)
    high, low = _decoded(image, mode), _decoded(again, _LOW_BYTES[mode])
    values = high.astype(np.uint16) << 8 | low
    colours = by_used_bits(values[..., :3])
    return colours if values.shape[2] == 3 else _on_black(colours, values[..., 3])


def by_used_bits(colours: NDArray[Any]) -> NDArray[np.uint8]:
    """Colours of any depth to 0…255 by the bits that they use: 12 of 16 are 0…4095."""
    used = max(int(colours.max()).bit_length(), 8) if colours.size else 8
    return scale(colours, low=0.0, high=float((1 << used) - 1))


def is_white_zero(image: Image) -> bool:
    """Whether a TIFF says that 0 is white."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and tags.get(_PHOTOMETRIC) == WHITE_IS_ZERO


def _raw_mode(image: Image) -> str:
    tiles: Any = getattr(image, "tile", None) or []
    mode = tiles[0].args if len(tiles) == 1 else ""
    return mode if isinstance(mode, str) else ""


def _decoded(image: Image, mode: str) -> NDArray[np.uint8]:
    opened: Any = image
    opened.tile = [opened.tile[0]._replace(args=mode)]
    image.load()
    return np.asarray(image)


def _on_black(colours: NDArray[np.uint8], alpha: NDArray[Any]) -> NDArray[np.uint8]:
    share = alpha.astype(np.float32) / 65535
    share = share[..., None] if colours.ndim == 3 else share
    return np.rint(colours * share).astype(np.uint8)
