"""JPEG inside DICOM as devices write it: colours that the header gets wrong, scans of no length."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from curate_files import dicom
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from medfm_cli.readers import Item, read_images
from medfm_cli.readers.dicom.jpeg import coded_as, with_full_scans
from medfm_cli.readers.dicom.ycbcr import looks_like_ycbcr


def picture(kind: str) -> Any:
    """A smooth picture `[96, 128, 3]`: tissue with light and shade, a scan in grey, or colours."""
    y, x = np.mgrid[0:96, 0:128]
    light = 0.15 + 0.85 * (np.sin(x / 17) * np.cos(y / 13) + 1) / 2
    if kind == "tissue":
        return (light[..., None] * (215, 95, 80)).astype(np.uint8)
    if kind == "grey":
        return np.repeat((255 * light * (x > 20))[..., None], 3, axis=2).astype(np.uint8)
    return np.stack([x * 2, y * 2.6, 255 - x * 2], axis=2).astype(np.uint8)


def jpeg(pixels: Any, *, space: str, markers: bool, subsampling: int = 0) -> bytes:
    """A JPEG whose components are RGB or YCbCr, with or without the markers that tell it."""
    file = io.BytesIO()
    if space == "RGB":
        Image.fromarray(pixels).save(file, "JPEG", quality=95, keep_rgb=True)
    else:
        Image.fromarray(pixels).save(file, "JPEG", quality=95, subsampling=subsampling)
    data = file.getvalue()
    return data if markers else unmarked(data)


def unmarked(data: bytes) -> bytes:
    """Without application markers, the components named 1, 2, 3."""
    out, at = bytearray(data[:2]), 2
    while True:
        marker, end = data[at + 1], at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        part = bytearray(data[at:end])
        if marker in (0xC0, 0xC1):
            part[10], part[13], part[16] = 1, 2, 3
        if marker == 0xDA:
            part[5], part[7], part[9] = 1, 2, 3
        if not 0xE0 <= marker <= 0xEF:
            out += part
        at = end
        if marker == 0xDA:
            return bytes(out + data[at:])


def read(tmp_path: Path, frame: bytes, photometric: str) -> Item:
    path = dicom(tmp_path / "a.dcm", np.zeros((96, 128, 3), np.uint8), Modality="US")
    dataset = pydicom.dcmread(path)
    dataset.PixelData = encapsulate([frame])
    dataset.PhotometricInterpretation = photometric
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(path)
    (item,) = read_images(path)
    return item


@pytest.mark.parametrize("kind", ["tissue", "grey", "colours"])
@pytest.mark.parametrize("space", ["RGB", "YCbCr"])
@pytest.mark.parametrize("markers", [True, False])
def test_colours_are_those_of_the_picture_whatever_the_markers(
    tmp_path: Path, kind: str, space: str, markers: bool
) -> None:
    expected = picture(kind)
    item = read(tmp_path, jpeg(expected, space=space, markers=markers), "RGB")
    found = item.content.pixels
    found = np.repeat(found[..., None], 3, axis=2) if found.ndim == 2 else found
    assert np.abs(found.astype(int) - expected).mean() < 4
    guessed = space == "YCbCr" and not markers
    assert bool(item.notes) == guessed  # the report says what the header did not


def test_fewer_samples_of_a_colour_are_those_of_a_chroma(tmp_path: Path) -> None:
    frame = jpeg(picture("colours"), space="YCbCr", markers=False, subsampling=2)
    assert coded_as(frame) == "YCbCr"
    found = read(tmp_path, frame, "RGB").content.pixels
    assert np.abs(found.astype(int) - picture("colours")).mean() < 4


def test_components_named_red_green_blue_are_not_ycbcr(tmp_path: Path) -> None:
    frame = jpeg(picture("tissue"), space="RGB", markers=True)
    assert coded_as(frame) == "RGB"
    found = read(tmp_path, frame, "YBR_FULL_422").content.pixels
    assert np.abs(found.astype(int) - picture("tissue")).mean() < 4


@pytest.mark.parametrize("name", ["SC_rgb_dcmtk_+eb+cr.dcm", "SC_rgb_jpeg_lossy_gdcm.dcm"])
def test_real_files_show_their_test_card(name: str) -> None:
    (item,) = read_images(get_testdata_file(name))
    shown = item.content.pixels[5::10, 50].astype(int)
    card = [[255, 0, 0], [255, 128, 128], [0, 255, 0], [128, 255, 128], [0, 0, 255]]
    assert np.abs(shown[:5] - card).max() <= 2


def test_noise_of_independent_colours_is_rgb() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert not looks_like_ycbcr(noise)
    assert looks_like_ycbcr(np.asarray(Image.fromarray(noise).convert("YCbCr")))


def test_a_twelve_bit_scan_of_no_length_is_read_whole() -> None:
    """JPEG-lossy.dcm of NEMA's WG04 has Se = 0; JPGExtended.dcm is the same file put right."""
    path = get_testdata_file("JPEG-lossy.dcm")
    (item,) = read_images(path)
    from medfm_cli.readers.dicom.file import opened
    from medfm_cli.readers.dicom.pixels import Decoder

    stored = next(Decoder(opened(Path(path)), None).values([0]))[1]
    expected = pydicom.dcmread(get_testdata_file("JPGExtended.dcm")).pixel_array
    np.testing.assert_array_equal(stored, expected)
    assert item.content.pixels.shape == expected.shape


def test_only_sequential_scans_are_put_right() -> None:
    file = io.BytesIO()
    Image.fromarray(picture("grey")[..., 0]).save(file, "JPEG", progressive=True)
    progressive = file.getvalue()
    assert with_full_scans(progressive, progressive) == progressive
    sequential = jpeg(picture("tissue"), space="YCbCr", markers=True)
    assert with_full_scans(sequential, sequential) == sequential
    at = sequential.index(b"\xff\xda") + 12
    broken = sequential[:at] + b"\0" + sequential[at + 1 :]
    assert broken != sequential and with_full_scans(broken, broken) == sequential
