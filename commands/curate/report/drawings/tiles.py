"""Images on black squares with small marks: orientation letters, times, boxes, outlines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from medfm_cli.readers.item import evenly
from medfm_cli.samples.content import Video

COLOURS: Final = ("#ffb347", "#5fd0ff", "#8cff8c", "#ff7fbf", "#d7b3ff", "#ffe066")
"""Of outlines and boxes, one a label; legible on grey and on stained tissue."""
FRAMES: Final = 6
"""Frames of a video that are shown."""
_LETTER = "#e8e8e8"
_EDGE = 4

Pixels = NDArray[np.uint8]


def fitted(
    pixels: Pixels,
    side: int,
    *,
    size: tuple[int, int] | None = None,
    marks: Mapping[str, str] | None = None,
) -> Image.Image:
    """An image in the middle of a black square.

    Args:
        pixels: uint8 `[H, W]` or `[H, W, 3]`.
        side: of the square, in pixels.
        size: width and height to show it in; else as large as fits.
        marks: text by its position: `n`, `s`, `w`, `e`, or a corner such as `sw`.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    width, height = size or _fit(image.width, image.height, side)
    small = max(image.size) < side / 2
    how = Image.Resampling.NEAREST if small and size is None else Image.Resampling.LANCZOS
    square = Image.new("RGB", (side, side), "black")
    shown = image.resize((max(1, width), max(1, height)), how)
    square.paste(shown, ((side - shown.width) // 2, (side - shown.height) // 2))
    for place, text in (marks or {}).items():
        write(square, place, text)
    return square


def write(image: Image.Image, place: str, text: str) -> None:
    """Write text at an edge (`n`, `s`, `w`, `e`) or in a corner (`nw`, …), with a dark rim."""
    pen, font = ImageDraw.Draw(image), _font(max(12, image.width // 16))
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font, stroke_width=1)
    width, height = right - left, bottom - top
    x = {"w": _EDGE, "e": image.width - width - _EDGE}.get(place[-1], (image.width - width) / 2)
    y = {"n": _EDGE, "s": image.height - height - _EDGE}.get(place[0], (image.height - height) / 2)
    pen.text((x - left, y - top), text, font=font, fill=_LETTER, stroke_width=1,
             stroke_fill="black")  # fmt: skip


def scale_bar(image: Image.Image, pixels_a_mm: float) -> None:
    """Draw a bar of 1, 2 or 5 cm (mm for what is small) at the lower edge, with its length."""
    room = image.width / 3
    lengths = [mm for mm in (100, 50, 20, 10, 5, 2, 1) if mm * pixels_a_mm <= room]
    if not lengths:
        return
    length = lengths[0]
    pen = ImageDraw.Draw(image)
    x1, y = image.width - _EDGE - 2, image.height - _EDGE - 2
    x0 = x1 - length * pixels_a_mm
    pen.line([(x0, y - 4), (x0, y), (x1, y), (x1, y - 4)], fill=_LETTER, width=1)
    text = f"{length // 10} cm" if length >= 10 else f"{length} mm"
    font = _font(max(11, image.width // 20))
    pen.text(((x0 + x1) / 2, y - 3), text, font=font, fill=_LETTER, anchor="ms", stroke_width=1,
             stroke_fill="black")  # fmt: skip


def outlined(image: Image.Image, mask: NDArray[Any], labels: Sequence[int]) -> Image.Image:
    """The image with the outline of every label of a mask of its own size."""
    pixels = np.asarray(image).copy()
    for label in labels:
        if label:
            inside = mask == label
            pixels[inside & ~_eroded(inside)] = _rgb(colour_of(label, labels))
    return Image.fromarray(pixels)


def boxed(
    pixels: Pixels,
    boxes: Sequence[tuple[str, float, float, float, float]],
    labels: Sequence[str],
) -> Pixels:
    """The image with its boxes (label, left, top, right, bottom in pixels) drawn, in colour."""
    image = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    pen = ImageDraw.Draw(image)
    width = max(1, round(max(image.size) / 160))
    for label, x0, y0, x1, y1 in boxes:
        if x1 > x0 and y1 > y0:
            colour = COLOURS[labels.index(label) % len(COLOURS)]
            pen.rectangle((x0, y0, x1, y1), outline=colour, width=width)
    return np.asarray(image)


def strip(video: Video, side: int) -> list[Pixels]:
    """Up to six evenly spaced frames as squares, the first and the last among them."""
    tiles = []
    for number in evenly(len(video.frames), FRAMES):
        time = f"{number / video.rate:.2f} s" if video.rate else f"frame {number + 1}"
        tiles.append(np.asarray(fitted(video.frames[number], side, marks={"sw": time})))
    return tiles


def colour_of(label: int, labels: Sequence[int]) -> str:
    """The colour of a label's outline; 0 is the background and has none."""
    return COLOURS[[name for name in labels if name].index(label) % len(COLOURS)]


def _eroded(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(inside, 1)
    core: NDArray[np.bool_] = (
        padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:] & inside
    )
    return core


def _fit(width: int, height: int, side: int) -> tuple[int, int]:
    scale = side / max(width, height)
    return round(width * scale), round(height * scale)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


@cache
def _font(points: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(points)
