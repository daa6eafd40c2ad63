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
from medfm_cli.samples.pixels import check_image, resize


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


def fit(image: NDArray[np.uint8], size: int, channels: int) -> NDArray[np.uint8]:
    """Fit a whole image into a square; uint8 `[H, W]` or `[H, W, 3]` → `[channels, size, size]`.

    The aspect is kept, the image resized bilinearly (with antialiasing when it shrinks), centred,
    and padded with the median of its corners: black around a scan, white around a slide.

    Raises:
        ValueError: not a uint8 image of one of these shapes, or not 1 or 3 channels.
    """
    check_image(image)
    if channels not in (1, 3):
        raise ValueError(f"an input has 1 or 3 channels, not {channels}")
    pixels = _with_channels(image, channels)
    height, width = pixels.shape[:2]
    if (height, width) != (size, size):
        letterbox = Letterbox.of(height, width, size)
        resized = resize(pixels, letterbox.shape)
        pixels = _padded(resized, letterbox, background=corner_median(pixels))
    return np.ascontiguousarray(pixels[None] if channels == 1 else pixels.transpose(2, 0, 1))


def corner_median(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The median of the four corner pixels, one value or one a channel."""
    corners = image[[0, 0, -1, -1], [0, -1, 0, -1]]
    median: NDArray[np.uint8] = np.median(corners, axis=0).astype(np.uint8)
    return median


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
