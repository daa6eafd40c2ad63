"""Series of DICOM files as volumes: order, spacing, axes, units, and what is wrong with them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from scan_files import AXIAL, CORONAL, SAGITTAL, phantom, series

from medfm_cli.readers import Item, ReadOptions, Unreadable, find_reader
from medfm_cli.readers.dicom.reader import slice_in
from medfm_cli.readers.dicom.slices import apart
from medfm_cli.samples.content import Volume


def read(paths: list[Path], **options: Any) -> Item:
    reader = find_reader("dicom").read_group
    assert reader is not None
    (item,) = reader(paths, ReadOptions(whole=True, **options))
    assert isinstance(item.content, Volume)
    return item


def upwards(count: int, step: float = 2.5) -> list[tuple[float, float, float]]:
    return [(-10.0, -20.0, 100.0 + step * i) for i in range(count)]


def test_slices_are_ordered_by_place_and_measured_between_places(tmp_path: Path) -> None:
    values = phantom()
    numbers = random.Random(1).sample(range(100), len(values))
    paths = series(tmp_path, list(values), upwards(6), numbers=numbers)
    item = read(sorted(paths))
    np.testing.assert_array_equal(item.content.array, values - 1024)
    assert item.content.array.dtype == np.int16
    assert item.content.meta == {"spacing": [2.5, 0.5, 0.75], "unit": "HU"}
    assert (item.subject, item.study, item.modality, item.notes) == ("P1", "1.2.3", "CT", ())
    assert item.facts["slices"] == 6


def test_slices_from_head_to_feet_are_turned_round(tmp_path: Path) -> None:
    values = phantom()
    paths = series(tmp_path, list(values[::-1]), upwards(6)[::-1])
    np.testing.assert_array_equal(read(paths).content.array, values - 1024)


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL, (-1, 0, 0, 0, -1, 0)])
def test_every_direction_gives_the_same_axes(tmp_path: Path, orientation: tuple[float]) -> None:
    """Each voxel says where it is, whatever the direction of the slices."""
    across, down = np.array(orientation[:3], float), np.array(orientation[3:], float)
    normal = np.cross(across, down)
    start = np.array([50.0, -30.0, 70.0])
    planes, positions = [], []
    for index in range(5):
        corner = start + normal * 3.0 * index
        row, column = np.indices((16, 18))
        at = corner + row[..., None] * down * 0.5 + column[..., None] * across * 0.75
        planes.append(np.rint((at + 200) @ [1, 100, 10000] / 100).astype(np.int32) // 3)
        positions.append(corner)
    planes = [plane.astype(np.uint16) for plane in planes]
    paths = series(tmp_path, planes, positions, orientation=orientation, Modality="MR")
    item = read(paths)
    shuffled = read(random.Random(2).sample(paths, len(paths)))
    np.testing.assert_array_equal(item.content.array, shuffled.content.array)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([normal * 3.0, down * 0.5, across * 0.75], axis=1)
    affine[:3, 3] = start
    affine[:2] *= -1  # nibabel's axes are right, front, up
    expected = nibabel.as_closest_canonical(nibabel.Nifti1Image(np.stack(planes), affine))
    voxels = np.asarray(expected.dataobj).transpose(2, 1, 0)[:, ::-1, ::-1].astype(int) - 1024
    np.testing.assert_array_equal(item.content.array, voxels)
    assert item.content.meta["spacing"] == pytest.approx(expected.header.get_zooms()[::-1])
    assert "unit" not in item.content.meta


def test_an_oblique_scan_keeps_its_voxels(tmp_path: Path) -> None:
    tilt = np.radians(20)
    down = (0.0, np.cos(tilt), np.sin(tilt))
    normal = np.cross((1, 0, 0), down)
    values = phantom()
    positions = [normal * 4.0 * i for i in range(6)]
    paths = series(tmp_path, list(values), positions, orientation=(1, 0, 0, *down))
    item = read(paths)
    np.testing.assert_array_equal(item.content.array, values - 1024)
    assert item.content.meta["spacing"] == pytest.approx([4.0, 0.5, 0.75])
    assert item.notes == ()


def test_a_tilted_gantry_is_told_and_measured_along_the_normal(tmp_path: Path) -> None:
    tilt = np.radians(15)
    orientation = (1, 0, 0, 0, np.cos(tilt), np.sin(tilt))
    paths = series(tmp_path, list(phantom()), upwards(6, 5.0), orientation=orientation)
    item = read(paths)
    assert item.notes == ("slices are sheared by 15.0° (tilted gantry)",)
    assert item.content.meta["spacing"][0] == pytest.approx(5 * np.cos(tilt), abs=1e-4)


@pytest.mark.parametrize(
    ("heights", "note", "spacing"),
    [
        ([0, 2, 4, 8, 10, 12], "1 slices are missing", 2.0),
        ([0, 2, 4, 6, 9.1, 11.1], "uneven distances between slices, 2 to 3.1 mm", 2.0),
        ([0, 2.02, 3.99, 6, 8.01, 10], "", 2.0),
    ],
)
def test_gaps_are_told(tmp_path: Path, heights: list[float], note: str, spacing: float) -> None:
    paths = series(tmp_path, list(phantom()), [(0, 0, height) for height in heights])
    item = read(paths)
    assert item.notes == ((note,) if note else ())
    assert item.content.meta["spacing"][0] == pytest.approx(spacing)


def test_copies_of_a_slice_are_left_out(tmp_path: Path) -> None:
    paths = series(tmp_path, list(phantom()), upwards(6))
    copy = tmp_path / "copy"
    copy.write_bytes(paths[2].read_bytes())
    item = read([copy, *paths])
    np.testing.assert_array_equal(item.content.array, phantom() - 1024)
    assert item.notes == ("1 copies of slices left out",)


def test_without_positions_the_numbers_order_and_this_is_told(tmp_path: Path) -> None:
    paths = series(
        tmp_path, list(phantom()), upwards(6), numbers=[6, 5, 4, 3, 2, 1],
        ImagePositionPatient=None,
    )  # fmt: skip
    item = read(paths)
    np.testing.assert_array_equal(item.content.array, phantom()[::-1] - 1024)
    assert item.notes == ("no positions: slices are in the order of their numbers",)
    assert item.content.meta["spacing"] == [9.0, 0.5, 0.75]


def test_slopes_of_their_own_are_applied_to_each_slice(tmp_path: Path) -> None:
    """As PET has them."""
    each = [{"RescaleSlope": 0.5 + i, "RescaleIntercept": 0} for i in range(6)]
    paths = series(tmp_path, list(phantom()), upwards(6), each=each, Modality="PT")
    item = read(paths)
    expected = phantom() * (0.5 + np.arange(6))[:, None, None]
    assert item.content.array.dtype == np.float32
    np.testing.assert_allclose(item.content.array, expected, rtol=1e-6)


def test_numbers_that_no_int16_holds_are_kept(tmp_path: Path) -> None:
    planes = [np.full((8, 8), value, np.uint16) for value in (0, 40_000, 65_535)]
    item = read(series(tmp_path, planes, upwards(3), RescaleIntercept=0))
    assert item.content.array.dtype == np.uint16
    assert item.content.array[:, 0, 0].tolist() == [0, 40_000, 65_535]
    other = tmp_path / "below"
    item = read(series(other, planes, upwards(3), RescaleIntercept=-1024))
    assert item.content.array.dtype == np.float32
    assert item.content.array[:, 0, 0].tolist() == [-1024, 38_976, 64_511]


def test_damaged_slices_are_missing_and_this_is_a_refusal_of_its_own(tmp_path: Path) -> None:
    paths = series(tmp_path, list(phantom()), upwards(6))
    paths[1].write_bytes(paths[1].read_bytes()[:-100])
    paths[4].write_bytes(b"nothing")
    reader = find_reader("dicom").read_group
    assert reader is not None
    items = reader(paths, ReadOptions(whole=True))
    volume = next(items).content
    np.testing.assert_array_equal(volume.array, phantom()[[0, 2, 3, 5]] - 1024)
    with pytest.raises(Unreadable, match="2 of 6 slices cannot be read"):
        next(items)


def test_a_volume_larger_than_allowed_is_refused_before_it_is_read(tmp_path: Path) -> None:
    paths = series(tmp_path, list(phantom()), upwards(6))
    with pytest.raises(Unreadable, match="more than the limit"):
        read(paths, max_values=1000)


def test_slices_that_are_no_volume_are_refused(tmp_path: Path) -> None:
    one = series(tmp_path / "a", list(phantom()[:2]), upwards(2))
    other = series(tmp_path / "b", list(phantom()[:2]), upwards(2), uid="1.2.9")
    with pytest.raises(Unreadable, match="do not make one volume"):
        read(one + other)
    with pytest.raises(Unreadable, match="single slice"):
        read(one[:1])
    copy = tmp_path / "copy"
    copy.write_bytes(one[0].read_bytes())
    with pytest.raises(Unreadable, match="single slice"):
        read([one[0], copy])


FOLDERS = ("98892001/CT5N", "77654033/CT2")


@pytest.mark.parametrize("folder", FOLDERS)
def test_real_series_against_pydicom(folder: str) -> None:
    assert pydicom.__file__
    root = Path(pydicom.__file__).parent / "data/test_files/dicomdirtests" / folder
    paths = sorted(root.iterdir())
    datasets = sorted(map(pydicom.dcmread, paths), key=lambda d: float(d.ImagePositionPatient[2]))
    expected = np.stack([d.pixel_array * d.RescaleSlope + d.RescaleIntercept for d in datasets])
    item = read(paths)
    np.testing.assert_array_equal(item.content.array, expected)
    assert item.content.meta["unit"] == "HU"
    assert item.content.meta["spacing"][0] == pytest.approx(datasets[0].SliceThickness)
    assert item.age == float(datasets[0].PatientAge[:3])
    assert item.sex == datasets[0].PatientSex


def test_a_glimpse_needs_only_the_beginning_of_a_file(tmp_path: Path) -> None:
    (path, *_) = series(tmp_path, list(phantom()), upwards(6))
    seen = slice_in(path)
    assert seen is not None
    assert seen.position == (-10.0, -20.0, 100.0)
    path.write_bytes(path.read_bytes()[:-400])
    assert slice_in(path) == seen
    path.write_bytes(path.read_bytes()[:300])
    assert slice_in(path) is None


def volumes_of(paths: list[Path]) -> list[list[int]]:
    """Which files make one volume."""
    slices = [slice_in(path) for path in paths]
    return apart([one for one in slices if one is not None])


@pytest.mark.parametrize(
    ("name", "plain", "rounded"),
    [
        ("PixelSpacing", [0.6875, 0.6875], [0.68749999, 0.68750001]),
        ("PixelSpacing", [0.9765625, 0.9765625], [0.976563, 0.976562]),
        ("ImageOrientationPatient", list(AXIAL), [1, 1e-7, -0.0, 0, 0.9999999, 0]),
        ("SliceThickness", 2.5, 2.50000001),
    ],
)
def test_numbers_printed_with_another_rounding_are_equal(
    tmp_path: Path, name: str, plain: Any, rounded: Any
) -> None:
    planes = phantom()
    each = [{name: rounded if i % 2 else plain} for i in range(len(planes))]
    heights = [2.5 * i + (1e-7 if i % 3 else 0) for i in range(len(planes))]
    paths = series(tmp_path, planes, [(0, 0, z) for z in heights], each=each)
    assert volumes_of(paths) == [list(range(len(planes)))]
    item = read(paths)
    assert item.content.array.shape == planes.shape
    assert item.content.meta["spacing"][0] == pytest.approx(2.5, abs=1e-6)


def test_echoes_are_told_by_time_and_not_by_how_it_was_printed(tmp_path: Path) -> None:
    planes = np.concatenate([phantom(3)] * 2)
    places = [(10.4999999 if i % 2 else 10.5000001, 0.0, 3.0 * (i % 3)) for i in range(6)]
    times = ["4.76", "4.7600002", "4.75999999", "9.52", "9.5200004", "9.5199998"]
    each = [{"EchoTime": time} for time in times]
    assert volumes_of(series(tmp_path, planes, places, each=each)) == [[0, 1, 2], [3, 4, 5]]


def test_spacings_that_differ_truly_are_two_volumes(tmp_path: Path) -> None:
    each = [{"PixelSpacing": [0.5, 0.5] if i < 3 else [0.52, 0.52]} for i in range(6)]
    paths = series(tmp_path, phantom(), [(0, 0, z) for z in range(6)], each=each)
    assert volumes_of(paths) == [[0, 1, 2], [3, 4, 5]]
