"""DICOM look-up tables, stored bits and padding as scanners really write them (PS3.3 C.11)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from curate_files import dicom, noise
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, RLELossless

from medfm_cli.readers import read_images
from medfm_cli.readers.dicom.file import opened
from medfm_cli.readers.dicom.pixels import Decoder

STORED = noise(1).astype(np.uint16) * 16  # 12 bits
SHOWN = noise(1)


def table(entries: list[int] | bytes, bits: int, vr: str) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 0, bits])
    item.add_new("LUTData", vr, entries)
    return Sequence([item])


EIGHT = [value // 16 for value in range(4096)]
TWELVE = list(range(4096))


@pytest.mark.parametrize(
    ("entries", "bits", "vr"),
    [
        (TWELVE, 16, "US"),  # the descriptor claims more bits than are used
        (TWELVE, 12, "US"),
        (EIGHT, 8, "US"),
        (np.array(EIGHT, "<u2").tobytes(), 8, "OW"),
        (bytes(EIGHT), 8, "OW"),
        ([low | high << 8 for low, high in zip(EIGHT[::2], EIGHT[1::2], strict=True)], 8, "US"),
    ],
)
@pytest.mark.parametrize("name", ["VOILUTSequence", "ModalityLUTSequence"])
def test_tables_of_every_kind(tmp_path: Path, entries: Any, bits: int, vr: str, name: str) -> None:
    path = dicom(
        tmp_path / "a.dcm",
        STORED,
        BitsStored=12,
        HighBit=11,
        Modality="CR",
        **{name: table(entries, bits, vr)},
    )
    found = next(iter(read_images(path))).pixels
    assert np.corrcoef(found.ravel(), SHOWN.ravel())[0, 1] > 0.999
    assert found.max() >= 250


def test_a_first_value_written_without_a_sign(tmp_path: Path) -> None:
    tables = table(TWELVE, 16, "US")
    tables[0]["LUTDescriptor"].value = [4096, 65536 - 2048, 16]
    stored = STORED.astype(np.int16) - 2048
    path = dicom(tmp_path / "a.dcm", stored, Modality="CR", VOILUTSequence=tables)
    found = next(iter(read_images(path)))
    assert found.facts["display"] == "VOI LUT"
    assert np.corrcoef(found.content.pixels.ravel(), SHOWN.ravel())[0, 1] > 0.999


def values(path: Path) -> np.ndarray[Any, Any]:
    decoder = Decoder(opened(path), None)
    return next(decoder.values([0]))[1]


def test_values_that_stand_in_the_upper_bits(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", STORED << 4, BitsStored=12, HighBit=15)
    assert (values(path) == STORED).all()


def encoded(path: Path, syntax: str) -> Path:
    """The file with all 16 bits of its pixels in another encoding."""
    dataset = dcmread(path)
    bits, high = dataset.BitsStored, dataset.HighBit
    dataset.BitsStored, dataset.HighBit = 16, 15
    dataset.compress(syntax)
    dataset.BitsStored, dataset.HighBit = bits, high
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
@pytest.mark.parametrize("signed", [False, True])
def test_bits_beside_the_value_are_no_part_of_it(tmp_path: Path, syntax: str, signed: bool) -> None:
    kind, value = (np.int16, STORED.astype(np.int16) - 2048) if signed else (np.uint16, STORED)
    overlay = np.zeros(value.shape, np.uint16)
    overlay[5:8, 5:40] = 0x8000
    above = ((value.view(np.uint16) & 0x0FFF) | overlay).view(kind)
    upper = (value.view(np.uint16) << 4).view(kind)
    for name, pixels, high in (("a", above, 11), ("b", upper, 15)):
        path = dicom(tmp_path / name, pixels, BitsStored=12, HighBit=high)
        np.testing.assert_array_equal(values(path), value)
        np.testing.assert_array_equal(values(encoded(path, syntax)), value)


def test_a_codec_that_kept_the_value_alone_is_not_moved(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a", STORED, BitsStored=12, HighBit=11)
    dataset = dcmread(path)
    dataset.compress(JPEG2000Lossless)
    dataset.HighBit = 15
    dataset.save_as(path)
    np.testing.assert_array_equal(values(path), STORED)


def test_padding_written_without_a_sign(tmp_path: Path) -> None:
    stored = noise(2).astype(np.int16)
    stored[:10] = -2000
    path, plain = (dicom(tmp_path / f"{n}.dcm", stored, Modality="CR") for n in "ab")
    dataset = dcmread(path)
    dataset.add_new("PixelPaddingValue", "US", 63536)
    dataset.save_as(path)
    padded, unpadded = (next(iter(read_images(p))).pixels for p in (path, plain))
    assert len(np.unique(padded[10:])) > 200 > len(np.unique(unpadded[10:]))


@pytest.mark.parametrize("kind", ["MOSAIC", "VFRAME"])
def test_what_is_no_single_image_is_refused(tmp_path: Path, kind: str) -> None:
    path = dicom(tmp_path / "a.dcm", STORED, ImageType=["ORIGINAL", "PRIMARY", "M", kind])
    with pytest.raises(Exception, match="not an image"):
        next(iter(read_images(path)))
