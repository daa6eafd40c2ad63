"""From an image to the network's pixels: the same few lines in training, evaluation and predict.

numpy and Pillow only, so that a bundle can be used where no torch is installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, model_validator

from medfm_cli.data.card import Cutting
from medfm_cli.data.letterbox import Letterbox
from medfm_cli.errors import DataError
from medfm_cli.samples.content import Content, Image2D
from medfm_cli.samples.pixels import resize

BLANK_STD = 2.0
"""A tile whose grey values (0–255) vary less than this shows background only."""

Tile = tuple[int, int, NDArray[np.uint8]]
"""Row and column of the upper left corner in the image, and the pixels."""


class Preprocessing(Cutting):
    """How a file becomes inputs of a network; part of every model and bundle.

    `mean` and `std` are per channel, for values scaled to 0–1. The rest says how images were cut
    in the dataset of the training: each part is an input of its own. The inputs of other networks
    are in `medfm_cli.data.inputs`.
    """

    kind: Literal["image"] = "image"

    size: int = Field(ge=1, description="edge of the square input in pixels")
    channels: Literal[1, 3] = 1
    mean: list[float] = Field(default_factory=list, description="per channel; empty: 0.5")
    std: list[float] = Field(default_factory=list, description="per channel; empty: 0.5")

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: object) -> object:
        if isinstance(values, dict):
            channels = values.get("channels", 1)
            if isinstance(channels, int):
                for name in ("mean", "std"):
                    values = {**values, name: values.get(name) or [0.5] * channels}
        return values

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        for name in ("mean", "std"):
            if len(getattr(self, name)) != self.channels:
                raise ValueError(f"{name} has one value a channel, and there are {self.channels}")
        if min(self.std) <= 0:
            raise ValueError("std must be above 0")
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """`(C, size, size)` of an input."""
        return self.channels, self.size, self.size

    @property
    def dtype(self) -> str:
        """NumPy's name for the numbers of an input."""
        return "uint8"

    def shape_of(self, kind: str, stored: Sequence[int]) -> tuple[int, ...]:
        """`(C, size, size)`, whatever the image's own shape."""
        del kind, stored
        return self.shape

    def fit(self, content: Content) -> NDArray[np.uint8]:
        """A whole image, uint8 `[channels, size, size]`.

        Raises:
            DataError: it is not an image.
        """
        if not isinstance(content, Image2D):
            raise DataError(f"it is of kind {content.kind}, and the network takes images")
        return fit(content.pixels, self.size, self.channels)

    def fit_mask(self, mask: NDArray[Any]) -> NDArray[Any]:
        """The mask `[H, W]` of an image as `fit` places it: `[size, size]`, 0 around it."""
        height, width = mask.shape
        return Letterbox.of(height, width, self.size).mask(mask)

    def inputs(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """All inputs of one image, uint8 `[n, channels, size, size]`: its tiles, or the whole."""
        return np.stack([fit(part, self.size, self.channels) for _, _, part in cut(image, self)])


def cut(image: NDArray[np.uint8], cutting: Cutting) -> list[Tile]:
    """The parts of an image that are samples of their own: its tiles, or the whole.

    Parts longer than `cutting.max_side` are made smaller; places are those in the whole image.
    """
    parts = [(0, 0, image)]
    if cutting.tile is not None:
        parts = tiles(image, tile=cutting.tile, limit=cutting.tile_limit)
    return [(y, x, shrunk(part, cutting.max_side)) for y, x, part in parts]


def fit(image: NDArray[np.uint8], size: int, channels: int) -> NDArray[np.uint8]:
    """Fit a whole image into a square; uint8 `[H, W]` or `[H, W, 3]` → `[channels, size, size]`.

    The aspect is kept, the image resized bilinearly (with antialiasing when it shrinks), centred,
    and padded with the median of its corners: black around a scan, white around a slide.

    Raises:
        ValueError: not a uint8 image of one of these shapes, or not 1 or 3 channels.
    """
    _check(image)
    if channels not in (1, 3):
        raise ValueError(f"an input has 1 or 3 channels, not {channels}")
    pixels = _with_channels(image, channels)
    height, width = pixels.shape[:2]
    if (height, width) != (size, size):
        letterbox = Letterbox.of(height, width, size)
        resized = resize(pixels, letterbox.shape)
        pixels = _padded(resized, letterbox, background=corner_median(pixels))
    return np.ascontiguousarray(pixels[None] if channels == 1 else pixels.transpose(2, 0, 1))


def shrunk(image: NDArray[np.uint8], max_side: int | None) -> NDArray[np.uint8]:
    """Make an image smaller whose longer side is above `max_side`."""
    height, width = image.shape[:2]
    if max_side is None or max(height, width) <= max_side:
        return image
    scale = max_side / max(height, width)
    return resize(image, (max(1, round(height * scale)), max(1, round(width * scale))))


def corner_median(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The median of the four corner pixels, one value or one a channel."""
    corners = image[[0, 0, -1, -1], [0, -1, 0, -1]]
    median: NDArray[np.uint8] = np.median(corners, axis=0).astype(np.uint8)
    return median


def tiles(image: NDArray[np.uint8], *, tile: int, limit: int) -> list[Tile]:
    """Cut a large image into tiles of `tile` pixels without overlap; smaller ones stay whole.

    Large means that the longer side holds two tiles. The grid is centred, what it does not cover
    is shared by the margins. Tiles of plain background are left out, and of the others at most
    `limit` are kept, spread over the image; they come in reading order. An image with nothing but
    background stays whole.

    Args:
        image: uint8 `[H, W]` or `[H, W, 3]`.
        tile: edge in pixels; a side shorter than this gives shorter tiles.
        limit: most tiles kept.
    """
    _check(image)
    height, width = image.shape[:2]
    if max(height, width) < 2 * tile:
        return [(0, 0, image)]
    corners = [(y, x) for y in _starts(height, tile) for x in _starts(width, tile)]
    parts = [(y, x, image[y : y + tile, x : x + tile]) for y, x in corners]
    parts = [item for item in parts if item[2].std() >= BLANK_STD]
    if not parts:
        return [(0, 0, image)]
    places = np.array([(y, x) for y, x, _ in parts], dtype=np.float64)
    centre = np.array([height - tile, width - tile]) / 2
    return [parts[index] for index in sorted(_spread(places, centre, limit))]


def _check(image: NDArray[np.uint8]) -> None:
    shape_ok = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or not shape_ok or 0 in image.shape:
        raise ValueError(
            f"an image is uint8 [H, W] or [H, W, 3], not {image.dtype} {list(image.shape)}"
        )


def _with_channels(image: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Grey to colour by repetition, colour to grey by luma (ITU-R BT.601, Pillow's `L`)."""
    if channels == 1 and image.ndim == 3:
        return np.asarray(Image.fromarray(image).convert("L"))
    if channels == 3 and image.ndim == 2:
        return np.repeat(image[:, :, None], 3, axis=2)
    return image


def _padded(
    image: NDArray[np.uint8], letterbox: Letterbox, *, background: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    (height, width), (top, left), size = letterbox.shape, letterbox.offset, letterbox.size
    if (height, width) == (size, size):
        return image
    canvas = np.empty((size, size, *image.shape[2:]), dtype=np.uint8)
    canvas[:] = background
    canvas[top : top + height, left : left + width] = image
    return canvas


def _starts(side: int, tile: int) -> range:
    """Where the tiles of one side begin."""
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
