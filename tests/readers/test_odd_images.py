"""Plain images that Pillow alone reads into other numbers than the file holds."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from curate_files import noise
from numpy.typing import NDArray
from PIL import Image

from medfm_cli.errors import Unreadable
from medfm_cli.readers import read_images


def pixels(path: Path) -> NDArray[np.uint8]:
    return next(iter(read_images(path))).pixels


def png16(path: Path, values: NDArray[Any], colour_type: int) -> Path:
    """A PNG of 16 bits, which Pillow cannot write in colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    height, width = values.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return path


def test_colours_of_twelve_bits_in_sixteen_keep_their_levels(tmp_path: Path) -> None:
    shown = noise(1, colour=True)
    path = png16(tmp_path / "a.png", shown.astype(np.uint16) * 16, 2)
    assert np.abs(pixels(path).astype(int) - shown).max() <= 1


def test_colours_of_all_sixteen_bits_are_as_before(tmp_path: Path) -> None:
    shown = noise(1, colour=True)
    path = png16(tmp_path / "a.png", shown.astype(np.uint16) * 257, 2)
    assert (pixels(path) == shown).all()


def test_grey_with_transparency_keeps_its_levels(tmp_path: Path) -> None:
    grey = noise(2)
    values = np.stack([grey.astype(np.uint16) * 16, np.full(grey.shape, 65535)], -1)
    found = pixels(png16(tmp_path / "a.png", values, 4))
    assert len(np.unique(found)) > 200
    assert np.corrcoef(found.ravel(), grey.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero(tmp_path: Path, dtype: Any) -> None:
    grey = noise(3)
    deep = (255 - grey).astype(dtype) * (257 if dtype is np.uint16 else 1)
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="miniswhite")
    assert np.corrcoef(pixels(tmp_path / "a.tif").ravel(), grey.ravel())[0, 1] > 0.999


def test_signed_bytes_and_deep_colours_in_planes(tmp_path: Path) -> None:
    grey, colour = noise(4), noise(5, colour=True)
    tifffile.imwrite(tmp_path / "s.tif", (grey.astype(int) - 128).astype(np.int8))
    assert np.corrcoef(pixels(tmp_path / "s.tif").ravel(), grey.ravel())[0, 1] > 0.999
    planes = np.moveaxis(colour.astype(np.uint16) * 257, -1, 0)
    tifffile.imwrite(tmp_path / "p.tif", planes, planarconfig="separate", photometric="rgb")
    assert (pixels(tmp_path / "p.tif") == colour).all()


def test_a_jpeg_without_its_end_mark_is_read_when_all_pixels_are_there(tmp_path: Path) -> None:
    whole = io.BytesIO()
    Image.fromarray(noise(6, colour=True)).save(whole, "JPEG", quality=97)
    data = whole.getvalue()
    (tmp_path / "whole.jpg").write_bytes(data)
    (tmp_path / "unended.jpg").write_bytes(data[:-2])
    assert (pixels(tmp_path / "unended.jpg") == pixels(tmp_path / "whole.jpg")).all()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) * 6 // 10])
    with pytest.raises(Unreadable, match="truncated"):
        pixels(tmp_path / "cut.jpg")
