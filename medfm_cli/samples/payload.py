"""Samples as members of a shard: an image is a PNG, numbers are `.npy`, text is text.

The first member is the sample itself, later ones are what belongs to it: a mask, further images.
Any WebDataset tool decodes them; nothing is ever pickled.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medfm_cli.errors import DataError
from medfm_cli.samples.content import (
    Audio,
    Content,
    Image2D,
    Row,
    Series,
    Signal,
    Text,
    Video,
    Volume,
)

_TRIES = 4
PNG = {"compress_level": 1, "compress_type": zlib.Z_RLE}
"""Runs only: on scans and photographs smaller than level 3, and faster to write and to read."""
MODES = ("L", "RGB")
"""What an image's PNG holds, in Pillow's words: 8-bit grey and 8-bit colour."""
EXTENSIONS = {"image": "png", "table": "row.json", "text": "txt"}
"""The member that holds a sample, by kind; `npy` where a kind is not listed."""


def extension(kind: str) -> str:
    """The extension of the member that holds a sample of this kind."""
    return EXTENSIONS.get(kind, "npy")


def encode(
    content: Content, *, mask: NDArray[Any] | None = None, pictures: Sequence[Image2D] = ()
) -> dict[str, bytes]:
    """The members of a sample by extension, the sample itself first.

    Args:
        content: the sample.
        mask: uint8 or uint16 of the sample's height and width (and depth).
        images: further images of a document, as `1.png`, `2.png`, …
    """
    members = {extension(content.kind): _payload(content)}
    if mask is not None:
        members |= {"mask.png": png(mask)} if mask.ndim == 2 else {"mask.npy": npy(mask)}
    for number, picture in enumerate(pictures, 1):
        members[f"{number}.png"] = png(picture.pixels)
    return members


def decode(kind: str, data: bytes, meta: dict[str, Any]) -> Content:
    """A sample from its first member and what the manifest says of it.

    Raises:
        DataError: the bytes are damaged, or of no known kind.
    """
    try:
        return _decoded(kind, data, meta)
    except DataError:
        raise
    except Exception as error:  # a damaged payload makes decoders say almost anything
        raise DataError(f"its {extension(kind)} is damaged ({error})") from None


def decode_mask(name: str, data: bytes) -> NDArray[Any]:
    """A mask from its member `mask.png` or `mask.npy`."""
    if name.endswith("png"):
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            return np.asarray(image)
    return load_npy(data)


def png(pixels: NDArray[Any]) -> bytes:
    """An image as PNG, without metadata: uint8 grey or colour, or uint16 grey."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", **PNG)
    return buffer.getvalue()


def decode_png(data: bytes) -> NDArray[np.uint8]:
    """The pixels of a PNG: uint8 `[H, W]` or `[H, W, 3]`.

    Raises:
        DataError: it is neither 8-bit grey nor colour.
    """
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        mode, pixels = image.mode, np.asarray(image)
    if mode not in MODES:
        raise DataError(f"its PNG is neither 8-bit grey nor colour, but {mode}")
    return pixels


def npy(array: NDArray[Any]) -> bytes:
    """An array in NumPy's format; always little-endian and in C order."""
    buffer = io.BytesIO()
    plain = np.ascontiguousarray(array)
    np.save(buffer, plain.astype(plain.dtype.newbyteorder("<"), copy=False), allow_pickle=False)
    return buffer.getvalue()


def load_npy(data: bytes) -> NDArray[Any]:
    """The array of `.npy` bytes.

    NumPy parses the header with Python's parser, which some versions of Python 3.11 let several
    threads disturb (python/cpython#106905); a lock would be held for ever by a forked process.
    """
    for _ in range(_TRIES):
        with suppress(SystemError):
            return _read_npy(data)
    return _read_npy(data)


def _read_npy(data: bytes) -> NDArray[Any]:
    array: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    return array


def _payload(content: Content) -> bytes:
    if isinstance(content, Image2D):
        return png(content.pixels)
    if isinstance(content, Text):
        return content.text.encode("utf-8", "surrogatepass")
    if isinstance(content, Row):
        return json.dumps(content.cells, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return npy(content.array)


def _decoded(kind: str, data: bytes, meta: dict[str, Any]) -> Content:
    if kind == "image":
        return Image2D(decode_png(data))
    if kind == "text":
        return Text(data.decode("utf-8", "surrogatepass"))
    if kind == "table":
        return Row(json.loads(data))
    array = load_npy(data)
    channels, units = tuple(meta.get("channels", ())), tuple(meta.get("units", ()))
    if kind == "volume":
        spacing = meta.get("spacing")
        return Volume(array, tuple(spacing) if spacing else None, meta.get("unit", ""))
    if kind == "video":
        return Video(array, meta.get("rate"))
    if kind == "signal":
        return Signal(array, float(meta["rate"]), channels, units)
    if kind == "audio":
        return Audio(array, float(meta["rate"]))
    if kind == "series":
        times = np.asarray(meta["times"], dtype=np.float64)
        groups = tuple(meta.get("groups", ()))
        return Series(array, times, channels, units, groups, dict(meta.get("static", {})))
    raise DataError(f"it is of a kind that this medfm does not know: {kind}")
