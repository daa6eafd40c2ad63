"""PNG, JPEG, TIFF, BMP, GIF and the like, through Pillow: the first image of the file."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medfm_cli.errors import Unreadable
from medfm_cli.readers.images.deep import deep_png, is_deep_png, is_white_zero
from medfm_cli.readers.images.tiff import by_tifffile, is_odd
from medfm_cli.readers.images.unended_jpeg import without_end
from medfm_cli.readers.item import Item, ReadOptions
from medfm_cli.samples.content import Image2D
from medfm_cli.samples.to_uint8 import plain, stretch

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = {
    "PNG": "Png",
    "JPEG": "Jpeg",
    "TIFF": "Tiff",
    "BMP": "Bmp",
    "GIF": "Gif",
    "WEBP": "WebP",
    "PPM": "Ppm",
    "JPEG2000": "Jpeg2K",
}
"""Pillow's formats that are read, each with the name of its plugin (JPEG brings MPO along)."""
_MARKS = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"II*\x00",
    b"MM\x00*",
    b"II+\x00",
    b"MM\x00+",
    b"GIF87a",
    b"GIF89a",
    b"\x00\x00\x00\x0cjP  ",
    b"\xff\x4f\xff\x51",
)
_NETPBM = (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")
_ORIENTATION = 0x0112
_DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


def sniff(head: bytes) -> bool:
    """Whether the file begins like one of the formats."""
    if head.startswith(_MARKS):
        return head[128:132] != b"DICM"  # a DICOM preamble may hold the start of a TIFF
    if head[:2] == b"BM":
        return head[6:10] == bytes(4)
    if head[:2] in _NETPBM:
        return head[2:3].isspace()
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def read(path: Path, options: ReadOptions) -> Iterator[Item]:
    """The first image of the file, turned upright as its EXIF says.

    Deep greys are stretched between their percentiles; transparency lies on black.
    """
    from PIL import Image

    for plugin in FORMATS.values():
        importlib.import_module(f"PIL.{plugin}ImagePlugin")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote metadata
        try:
            with Image.open(path, formats=tuple(FORMATS)) as image:
                width, height = image.size
                if width * height > options.max_pixels:
                    raise Unreadable(f"an image of {width * height / 1e6:.0f} megapixels")
                facts = _facts(image)
                pixels = _decoded(path, image, options)
                facts |= _orientation(image)
        except Unreadable:
            raise
        except Image.DecompressionBombError:
            raise Unreadable("an image of far too many pixels (a decompression bomb)") from None
        except MemoryError:
            raise Unreadable("the image needs more memory than there is") from None
        except Exception as error:  # a damaged file makes the decoders say almost anything
            mended = _otherwise(path, options)
            if mended is None:
                raise Unreadable(_reason(error)) from None
            pixels, facts = mended
    yield Item(Image2D(plain(pixels)), facts)


def _decoded(path: Path, image: Image, options: ReadOptions) -> NDArray[np.uint8]:
    """The pixels of an open image, by the decoder that reads its kind rightly."""
    from PIL import Image as Images
    from PIL import ImageOps

    if is_deep_png(image):
        with Images.open(path, formats=("PNG",)) as again:
            return deep_png(image, again)
    if is_odd(image):
        return by_tifffile(path, options.max_pixels)
    white_is_zero = image.mode in _DEEP and is_white_zero(image)
    image.load()
    pixels = _pixels(ImageOps.exif_transpose(image))
    return 255 - pixels if white_is_zero else pixels


def _otherwise(path: Path, options: ReadOptions) -> tuple[NDArray[np.uint8], dict[str, Any]] | None:
    """An image that Pillow refuses and that is whole all the same; None for others."""
    from PIL import ImageOps

    with path.open("rb") as file:
        mark = file.read(4)
    if mark[:2] == b"\xff\xd8":
        image = without_end(path)
        if image is None:
            return None
        facts = _facts(image) | _orientation(image)
        return _pixels(ImageOps.exif_transpose(image)), facts
    if mark in _MARKS and mark[:2] in (b"II", b"MM"):
        try:
            return by_tifffile(path, options.max_pixels), {"format": "TIFF", "mode": "tifffile"}
        except MemoryError:
            raise Unreadable("the image needs more memory than there is") from None
        except Exception:  # it is damaged: the first decoder's reason is the better one
            return None
    return None


def _facts(image: Image) -> dict[str, Any]:
    facts: dict[str, Any] = {"format": image.format, "mode": image.mode}
    frames = getattr(image, "n_frames", 1)
    return facts | {"frames": frames} if frames > 1 else facts


def _orientation(image: Image) -> dict[str, int]:
    """How the image was turned to stand upright (EXIF, 2 to 8); looks at a decoded image."""
    orientation = image.getexif().get(_ORIENTATION, 1)
    return {"orientation": orientation} if orientation in range(2, 9) else {}


def _pixels(image: Image) -> NDArray[np.uint8]:
    """uint8 `[H, W]` or `[H, W, 3]` of an image of any mode."""
    if image.mode == "1":
        image = image.convert("L")
    if image.mode in _DEEP:
        return stretch(np.asarray(image))
    if image.mode in ("LA", "PA", "La", "RGBa", "RGBA") or "transparency" in image.info:
        return _on_black(image)
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    return np.asarray(image)


def _on_black(image: Image) -> NDArray[np.uint8]:
    from PIL import Image as Images

    colour = image.convert("RGBA")
    ground = Images.new("RGBA", colour.size, (0, 0, 0, 255))
    return np.asarray(Images.alpha_composite(ground, colour).convert("RGB"))


def _reason(error: Exception) -> str:
    text = str(error).lower()
    if "truncated" in text or isinstance(error, EOFError):
        return "a truncated image"
    return "a damaged image, or a kind of it that cannot be decoded"
