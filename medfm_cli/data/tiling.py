"""Tiles of a large image. They overlap just enough to show all of it.

numpy and Pillow only: curate cuts with it, and so does predict, where no torch is installed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medfm_cli.data.card import Cutting, Tiling
from medfm_cli.samples.pixels import check_image, resize, shrunk_shape

BLANK_STD = 2.0
"""A tile whose grey values (0–255) vary less than this shows background only."""

Tile = tuple[int, int, NDArray[np.uint8]]
"""Row and column of the upper left corner in the image, and the pixels."""


def before_tiling(image: NDArray[np.uint8], cutting: Cutting) -> NDArray[np.uint8]:
    """The image that is cut: made smaller where `tile_limit` tiles have to cover it and cannot."""
    return resize(image, _shape_before_tiling(image.shape[:2], cutting))


def tiles_of(image: NDArray[np.uint8], cutting: Cutting) -> list[Tile]:
    """The tiles of what `before_tiling` gives, or the whole."""
    if cutting.tile is None:
        return [(0, 0, image)]
    return tiles(image, tile=cutting.tile, limit=cutting.tile_limit, tiling=cutting.tiling)


def tiles(
    image: NDArray[np.uint8], *, tile: int, limit: int, tiling: Tiling = "cover"
) -> list[Tile]:
    """Cut a large image into tiles of `tile` pixels that cover it; smaller ones stay whole.

    Large means that the longer side holds two tiles. Where a side is not a multiple of `tile`, the
    tiles overlap by the same number of pixels each. Tiles of plain background are left out, and of
    the others at most `limit` are kept, spread over the image; they come in reading order. An image
    with nothing but background stays whole.

    Args:
        image: uint8 `[H, W]` or `[H, W, 3]`.
        tile: edge in pixels; a side shorter than this gives shorter tiles.
        limit: most tiles kept.
        tiling: `grid` cuts without overlap and loses the margins, as medfm 0.1 did.
    """
    check_image(image)
    height, width = image.shape[:2]
    if not _is_large((height, width), tile):
        return [(0, 0, image)]
    starts = _grid_starts if tiling == "grid" else _starts
    corners = [(y, x) for y in starts(height, tile) for x in starts(width, tile)]
    parts = [(y, x, image[y : y + tile, x : x + tile]) for y, x in corners]
    parts = [item for item in parts if item[2].std() >= BLANK_STD]
    if not parts:
        return [(0, 0, image)]
    places = np.array([(y, x) for y, x, _ in parts], dtype=np.float64)
    centre = np.array([height - tile, width - tile]) / 2
    return [parts[index] for index in sorted(_spread(places, centre, limit))]


def whole_shape(shape: tuple[int, int], cutting: Cutting) -> tuple[int, int] | None:
    """Height and width of an image as it is stored, or None if it is cut into tiles."""
    base = _shape_before_tiling(shape, cutting)
    if cutting.tile is not None and _is_large(base, cutting.tile):
        return None
    return shrunk_shape(base, cutting.max_side)


def _is_large(shape: tuple[int, int], tile: int) -> bool:
    return max(shape) >= 2 * tile


def _shape_before_tiling(shape: tuple[int, int], cutting: Cutting) -> tuple[int, int]:
    """The largest shape of the same aspect that `tile_limit` tiles cover, if it is smaller."""
    tile, limit = cutting.tile, cutting.tile_limit
    if tile is None or cutting.tiling != "cover" or not _is_large(shape, tile):
        return shape
    height, width = shape
    scale = max(min(rows / height, limit // rows / width) for rows in range(1, limit + 1)) * tile
    if scale >= 1:
        return shape
    return max(1, int(height * scale + 1e-9)), max(1, int(width * scale + 1e-9))


def _starts(side: int, tile: int) -> Sequence[int]:
    """Where the tiles of one side begin: as few as cover it, evenly spaced."""
    count = -(-side // tile)
    if count == 1:
        return [0]
    return [round(number * (side - tile) / (count - 1)) for number in range(count)]


def _grid_starts(side: int, tile: int) -> Sequence[int]:
    """The same of a centred grid without overlap, whose margins are lost."""
    count = max(1, side // tile)
    first = max(0, side - count * tile) // 2
    return range(first, first + count * tile, tile)


def _spread(places: NDArray[np.float64], centre: NDArray[np.float64], limit: int) -> list[int]:
    """Pick up to `limit` points: the most central one, then always the farthest from all picked."""
    picked = [int(np.argmin(((places - centre) ** 2).sum(axis=1)))]
    distance = ((places - places[picked[0]]) ** 2).sum(axis=1)
    while len(picked) < min(limit, len(places)):
        picked.append(int(np.argmax(distance)))
        distance = np.minimum(distance, ((places - places[picked[-1]]) ** 2).sum(axis=1))
    return picked
