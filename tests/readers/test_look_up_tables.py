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


def values(path: Path) -> np.ndarray[Any, Any]:
    decoder = Decoder(opened(path), None)
    return next(decoder.values([0]))[1]


def test_values_that_stand_in_the_upper_bits(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", STORED << 4, BitsStored=12, HighBit=15)
    assert (values(path) == STORED).all()


def test_padding_written_without_a_sign(tmp_path: Path) -> None:
    stored = noise(2).astype(np.int16)
    stored[:10] = -2000
    path, plain = (dicom(tmp_path / f"{n}.dcm", stored, Modality="CR") for n in "ab")
    dataset = dcmread(path)
    dataset.add_new("PixelPaddingValue", "US", 63536)
    dataset.save_as(path)
    padded, unpadded = (next(iter(read_images(p))).pixels for p in (path, plain))
    assert len(np.unique(padded[10:])) > 200 > len(np.unique(unpadded[10:]))


@pytest.mark.parametrize("kind", ["MOSAIC", "VFRAME", "DOSE_INFO"])
def test_what_is_no_single_image_is_refused(tmp_path: Path, kind: str) -> None:
    path = dicom(tmp_path / "a.dcm", STORED, ImageType=["ORIGINAL", "PRIMARY", "M", kind])
    with pytest.raises(Exception, match="not an image"):
        next(iter(read_images(path)))
