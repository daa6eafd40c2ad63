"""Mosaics of Siemens and United Imaging: slices tiled in one image become a volume again."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from curate_files import dicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.filereader import dcmread
from scan_files import AXIAL, CORONAL, SAGITTAL, phantom, series

from medfm_cli.readers import Item, ReadOptions, Unreadable, read_images
from medfm_cli.readers.dicom.mosaic import mosaic_of
from medfm_cli.readers.dicom.reader import read_group, slice_in

MR = "1.2.840.10008.5.1.4.1.1.4"
START = (-20.0, 10.0, 30.0)
SPACING, GAP = (0.5, 0.75), 3.6


def csa(**tags: Sequence[str]) -> bytes:
    """A CSA header (SV10) with these values."""
    out = b"SV10\4\3\2\1" + struct.pack("<2I", len(tags), 77)
    for name, values in tags.items():
        vr = b"IS" if name.startswith("Number") else b"FD"
        out += struct.pack("<64si4s3i", name.encode(), len(values), vr, 0, len(values), 77)
        for value in values:
            size = len(value) + 1
            out += struct.pack("<4i", size, size, 77, size) + value.encode()
            out += b"\0" * (1 + -size % 4)
    return out


def tiled(planes: NDArray[Any], across: int, down: int) -> NDArray[Any]:
    _, height, width = planes.shape
    sheet = np.zeros((down * height, across * width), planes.dtype)
    for i, plane in enumerate(planes):
        top, left = i // across * height, i % across * width
        sheet[top : top + height, left : left + width] = plane
    return sheet


def normal_of(orientation: Sequence[float]) -> NDArray[np.float64]:
    return np.cross(orientation[:3], orientation[3:])


def siemens(
    path: Path,
    planes: NDArray[Any],
    orientation: Sequence[float] = AXIAL,
    *,
    sign: float = 1.0,
    header: dict[str, Sequence[str]] | None = None,
    kind: str = "MOSAIC",
    **elements: Any,
) -> Path:
    """A mosaic whose first slice lies at START, as Siemens writes it."""
    count, height, width = planes.shape
    side = math.ceil(math.sqrt(count))
    outwards = np.array(orientation[:3]) * SPACING[1] * (side - 1) * width / 2
    outwards += np.array(orientation[3:]) * SPACING[0] * (side - 1) * height / 2
    values: dict[str, Any] = {
        "SOPClassUID": MR,
        "Modality": "MR",
        "SeriesInstanceUID": "1.2.3.4",
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", kind],
        "ImagePositionPatient": list(np.array(START) - outwards),
        "ImageOrientationPatient": list(orientation),
        "PixelSpacing": list(SPACING),
        "SliceThickness": 3.0,
        "SpacingBetweenSlices": GAP,
    }
    dicom(path, tiled(planes, side, side), **(values | elements))
    way = [f"{sign * x:.8f}" for x in normal_of(orientation)]
    tags = {"NumberOfImagesInMosaic": [str(count)], "SliceNormalVector": way}
    dataset = dcmread(path)
    if header is not None or kind == "MOSAIC":
        block = dataset.private_block(0x29, "SIEMENS CSA HEADER", create=True)
        block.add_new(0x10, "OB", csa(**(tags if header is None else header)))
    dataset.save_as(path)
    return path


def as_series(folder: Path, planes: NDArray[Any], orientation: Sequence[float], sign: float) -> Any:
    """The volume that the same slices make as single files."""
    step = normal_of(orientation) * GAP * sign
    places = [np.array(START) + step * i for i in range(len(planes))]
    paths = series(
        folder,
        planes,
        [list(place) for place in places],
        orientation=orientation,
        PixelSpacing=list(SPACING),
        RescaleSlope=None,
        RescaleIntercept=None,
    )
    (item,) = read_group(paths, ReadOptions(whole=True))
    return item


def one(path: Path, **options: Any) -> Item:
    (item,) = read_images(path, ReadOptions(**({"whole": True} | options)))
    return item


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("count", [5, 9])
def test_a_mosaic_is_the_volume_of_its_slices(
    tmp_path: Path, orientation: tuple[float, ...], sign: float, count: int
) -> None:
    planes = phantom(count)
    found = one(siemens(tmp_path / "m", planes, orientation, sign=sign))
    expected = as_series(tmp_path / "s", planes, orientation, sign)
    np.testing.assert_array_equal(found.content.array, expected.content.array)
    assert found.content.meta == expected.content.meta
    assert found.notes == ()
    assert (found.facts["slices"], found.facts["rows"], found.facts["columns"]) == (count, 20, 24)


def test_the_first_slice_lies_where_it_was_taken(tmp_path: Path) -> None:
    dataset = dcmread(siemens(tmp_path / "m", phantom(7), CORONAL))
    first, second = mosaic_of(dataset, dataset.Rows, dataset.Columns).slices[:2]
    np.testing.assert_allclose(first.position, START, atol=1e-6)
    way = np.array(second.position) - np.array(first.position)
    np.testing.assert_allclose(way, normal_of(CORONAL) * GAP, atol=1e-6)


def test_slices_are_taken_as_images(tmp_path: Path) -> None:
    path = siemens(tmp_path / "m", phantom(5), WindowCenter=2500, WindowWidth=6000)
    items = list(read_images(path, ReadOptions(frames=3)))
    assert [item.frame for item in items] == [0, 2, 4]
    assert [item.content.pixels.shape for item in items] == [(20, 24)] * 3
    assert items[0].content.pixels.mean() < items[1].content.pixels.mean()  # one scale of greys


def test_a_mosaic_is_no_slice_of_a_series(tmp_path: Path) -> None:
    assert slice_in(siemens(tmp_path / "m", phantom(5))) is None
    assert slice_in(siemens(tmp_path / "n", phantom(5), kind="NORM")) is not None


def test_the_number_alone_gives_slices_without_positions(tmp_path: Path) -> None:
    path = siemens(tmp_path / "m", phantom(5), header={"NumberOfImagesInMosaic": ["5"]})
    assert one(path).notes == ("no positions: slices are in the order of their numbers",)
    dataset = dcmread(siemens(tmp_path / "n", phantom(5), header={}))
    dataset.private_block(0x19, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 5)
    dataset.save_as(tmp_path / "n")
    item = one(tmp_path / "n")
    np.testing.assert_array_equal(item.content.array, phantom(5))
    assert item.notes == ("no positions: slices are in the order of their numbers",)


@pytest.mark.parametrize("count", ["", "0", "1", "17", "nonsense"])
def test_a_mosaic_that_does_not_say_how_is_refused(tmp_path: Path, count: str) -> None:
    path = siemens(tmp_path / "m", phantom(5), header={"NumberOfImagesInMosaic": [count]})
    for whole in (True, False):
        with pytest.raises(Unreadable, match="its header does not say how"):
            list(read_images(path, ReadOptions(whole=whole)))


def test_a_damaged_csa_header_is_as_good_as_none(tmp_path: Path) -> None:
    dataset = dcmread(siemens(tmp_path / "m", phantom(5)))
    block = dataset.private_block(0x29, "SIEMENS CSA HEADER")
    for cut in (0, 7, 90, 150):
        block[0x10].value = block[0x10].value[:cut]
        dataset.save_as(tmp_path / "m")
        with pytest.raises(Unreadable, match="mosaic"):
            one(tmp_path / "m")


def uih(path: Path, planes: NDArray[Any], positions: Sequence[Sequence[float]]) -> Path:
    """A mosaic of United Imaging: 5 slices in 3 x 2 tiles, the position of each in a sequence."""
    across = math.ceil(math.sqrt(len(planes)))
    sheet = tiled(planes, across, -(-len(planes) // across))
    values = {
        "SOPClassUID": MR,
        "Modality": "MR",
        "Manufacturer": "UIH",
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "VFRAME"],
        "ImageOrientationPatient": list(AXIAL),
        "PixelSpacing": list(SPACING),
        "SpacingBetweenSlices": GAP,
    }
    dicom(path, sheet, **values)
    dataset = dcmread(path)
    block = dataset.private_block(0x65, "Image Private Header", create=True)
    block.add_new(0x50, "DS", str(len(planes)))
    items = []
    for position in positions:
        item = Dataset()
        item.ImagePositionPatient = list(position)
        items.append(item)
    block.add_new(0x51, "SQ", items)
    dataset.save_as(path)
    return path


def test_a_mosaic_of_united_imaging_has_a_position_for_each_slice(tmp_path: Path) -> None:
    planes = phantom(5)
    places = [(-10.0, 5.0, 50 - 4.2 * i) for i in range(5)]
    item = one(uih(tmp_path / "m", planes, places))
    np.testing.assert_array_equal(item.content.array, planes[::-1])
    assert item.content.meta == {"spacing": [4.2, 0.5, 0.75]}
    item = one(uih(tmp_path / "n", planes, places[:4]))
    assert item.notes == ("no positions: slices are in the order of their numbers",)
