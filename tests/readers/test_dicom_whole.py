"""Multi-frame DICOM kept whole: volumes with places and units, films with their rate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from curate_files import dicom, noise
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from scan_files import AXIAL, CORONAL, phantom

from medfm_cli.readers import Item, ReadOptions, Unreadable, read_images
from medfm_cli.samples.content import Video, Volume

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
ANGIOGRAPHY = "1.2.840.10008.5.1.4.1.1.12.1"
NUCLEAR = "1.2.840.10008.5.1.4.1.1.20"
ULTRASOUND = "1.2.840.10008.5.1.4.1.1.3.1"


def read(path: Path | str, **options: Any) -> list[Item]:
    return list(read_images(path, ReadOptions(**({"whole": True} | options))))


def one(path: Path | str, **options: Any) -> Item:
    (item,) = read(path, **options)
    return item


def of(**elements: Any) -> list[Dataset]:
    """A sequence with one item."""
    dataset = Dataset()
    for name, value in elements.items():
        setattr(dataset, name, value)
    return [dataset]


def enhanced(
    path: Path,
    frames: Any,
    positions: Sequence[Any],
    *,
    orientation: Sequence[float] = AXIAL,
    each: Sequence[dict[str, Any]] = (),
    **elements: Any,
) -> Path:
    """An enhanced CT or MR with a place, and more if asked, for every frame."""
    shared, groups = Dataset(), []
    shared.PlaneOrientationSequence = of(ImageOrientationPatient=[float(v) for v in orientation])
    shared.PixelMeasuresSequence = of(PixelSpacing=[0.5, 0.75], SliceThickness=9.0)
    shared.PixelValueTransformationSequence = of(
        RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU"
    )
    for index, position in enumerate(positions):
        group = Dataset()
        group.PlanePositionSequence = of(ImagePositionPatient=[float(v) for v in position])
        for name, value in (each[index] if each else {}).items():
            setattr(group, name, value)
        groups.append(group)
    values = {
        "SOPClassUID": ENHANCED_CT,
        "SharedFunctionalGroupsSequence": [shared],
        "PerFrameFunctionalGroupsSequence": groups,
    }
    return dicom(path, frames, **(values | elements))


def upwards(count: int) -> list[tuple[float, float, float]]:
    return [(-10.0, -20.0, 2.5 * i) for i in range(count)]


def test_frames_are_ordered_by_their_places(tmp_path: Path) -> None:
    order = [3, 0, 5, 1, 4, 2]
    places = [upwards(6)[i] for i in order]
    item = one(enhanced(tmp_path / "x", phantom()[order], places))
    assert isinstance(item.content, Volume)
    np.testing.assert_array_equal(item.content.array, phantom() - 1024)
    assert item.content.array.dtype == np.int16
    assert item.content.meta == {"spacing": [2.5, 0.5, 0.75], "unit": "HU"}
    assert item.notes == ()
    assert item.facts["frames"] == 6


def test_a_coronal_object_is_turned(tmp_path: Path) -> None:
    places = [(0, 3.0 * i, 100) for i in range(6)]
    item = one(enhanced(tmp_path / "x", phantom(), places, orientation=CORONAL))
    expected = phantom().transpose(1, 0, 2)[::-1] - 1024
    np.testing.assert_array_equal(item.content.array, expected)
    assert item.content.meta["spacing"] == [0.5, 3.0, 0.75]


def test_frames_have_a_rescale_of_their_own(tmp_path: Path) -> None:
    each = [
        {"PixelValueTransformationSequence": of(RescaleSlope=1 + i, RescaleIntercept=i)}
        for i in range(6)
    ]
    path = enhanced(
        tmp_path / "x", phantom(), upwards(6), each=each, Modality="MR", SOPClassUID=ENHANCED_MR
    )
    steps = np.arange(6)[:, None, None]
    item = one(path)
    np.testing.assert_array_equal(item.content.array, phantom().astype(int) * (1 + steps) + steps)
    assert item.content.meta.get("unit") is None


@pytest.mark.parametrize(
    ("sequence", "name"),
    [
        ("FrameContentSequence", "TemporalPositionIndex"),
        ("MREchoSequence", "EffectiveEchoTime"),
        ("FrameContentSequence", "StackID"),
    ],
)
def test_times_and_echoes_are_volumes_of_their_own(
    tmp_path: Path, sequence: str, name: str
) -> None:
    value = str if name == "StackID" else int
    frames = np.concatenate([phantom() + n for n in range(3)])
    each = [{sequence: of(**{name: value(n + 1)})} for n in range(3) for _ in range(6)]
    path = enhanced(tmp_path / "x", frames, upwards(6) * 3, each=each)
    items = read(path)
    assert [item.notes for item in items] == [(f"volume {n} of 3 in the file",) for n in (1, 2, 3)]
    for number, item in enumerate(items):
        np.testing.assert_array_equal(item.content.array, phantom() + number - 1024)
    assert [item.frame for item in items] == [0, 6, 12]
    assert [item.frame for item in read(path, frames=2)] == [0, 12]


def test_scouts_of_three_directions_are_pictures(tmp_path: Path) -> None:
    turned = [(1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)]
    each = [{"PlaneOrientationSequence": of(ImageOrientationPatient=list(t))} for t in turned]
    path = enhanced(tmp_path / "x", phantom(3), upwards(3), each=each)
    assert [(item.content.kind, item.frame) for item in read(path)] == [
        ("image", 0), ("image", 1), ("image", 2),
    ]  # fmt: skip


def test_reconstructed_nuclear_medicine_has_one_place_and_a_step(tmp_path: Path) -> None:
    place = of(ImagePositionPatient=[0, 0, 50], ImageOrientationPatient=list(AXIAL))
    path = dicom(
        tmp_path / "x", phantom(), Modality="NM", SOPClassUID=NUCLEAR,
        ImageType=["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"], PixelSpacing=[2, 2],
        SpacingBetweenSlices=-4, DetectorInformationSequence=place,
    )  # fmt: skip
    item = one(path)
    np.testing.assert_array_equal(item.content.array, phantom()[::-1])
    assert item.content.meta["spacing"] == [4.0, 2.0, 2.0]


def test_a_large_object_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = enhanced(tmp_path / "x", phantom(), upwards(6))
    with pytest.raises(Unreadable, match="more than the limit"):
        read(path, max_values=1000)


def test_without_whole_frames_are_pictures(tmp_path: Path) -> None:
    path = enhanced(tmp_path / "x", phantom(), upwards(6))
    assert [item.content.kind for item in read(path, whole=False)] == ["image"] * 4


def test_real_enhanced_ct_against_pydicom() -> None:
    path = get_testdata_file("eCT_Supplemental.dcm")
    item = one(path)
    stored = pydicom.dcmread(path).pixel_array.astype(int)
    # Its rows lead to the right, and its first frame lies lowest; its unit is said to be none.
    np.testing.assert_array_equal(item.content.array, stored[:, :, ::-1] - 1024)
    assert item.content.meta == {"spacing": [10.0, 0.388672, 0.388672]}
    assert (item.time, item.age, item.sex) == ("2006-12-19T11:09:30", 52.0, "M")


ENCODED = (
    "emri_small.dcm",
    "emri_small_RLE.dcm",
    "emri_small_big_endian.dcm",
    "emri_small_jpeg_2k_lossless.dcm",
    "emri_small_jpeg_ls_lossless.dcm",
)


@pytest.mark.parametrize("name", ENCODED)
def test_every_encoding_gives_the_stored_values(name: str) -> None:
    item = one(get_testdata_file(name))
    expected = pydicom.dcmread(get_testdata_file("emri_small.dcm")).pixel_array
    np.testing.assert_array_equal(item.content.array, expected)
    assert item.content.array.dtype == np.uint16
    assert item.notes == ("no positions: slices are in the order of their numbers",)


def test_a_film_has_its_rate(tmp_path: Path) -> None:
    frames = np.stack([noise(seed) for seed in range(50)])
    path = dicom(tmp_path / "x", frames, SOPClassUID=ULTRASOUND, FrameTime=40)
    whole = one(path, clip=100)
    assert isinstance(whole.content, Video)
    np.testing.assert_array_equal(whole.content.array, frames)
    assert whole.content.rate == 25
    some = one(path, clip=8)
    taken = [0, 7, 14, 21, 28, 35, 42, 49]
    np.testing.assert_array_equal(some.content.array, frames[taken])
    assert some.content.meta["rate"] == pytest.approx(25 / 7)


@pytest.mark.parametrize(
    ("elements", "rate"),
    [
        ({"FrameTimeVector": [0, 50, 50, 50]}, 20.0),
        ({"CineRate": 15}, 15.0),
        ({"RecommendedDisplayFrameRate": 12}, 12.0),
        ({"FrameTime": 0, "CineRate": 8}, 8.0),
        ({}, None),
    ],
)
def test_the_rate_is_said_in_many_ways(
    tmp_path: Path, elements: dict[str, Any], rate: float | None
) -> None:
    frames = np.stack([noise(seed) for seed in range(4)])
    item = one(dicom(tmp_path / "x", frames, SOPClassUID=ANGIOGRAPHY, **elements))
    assert item.content.kind == "video"
    assert item.content.meta.get("rate") == (pytest.approx(rate) if rate else None)


def test_a_film_of_deep_greys_does_not_flicker(tmp_path: Path) -> None:
    """All frames share one scale, though each has other limits."""
    frames = np.stack([np.full((16, 16), 1000 * (n + 1), np.uint16) for n in range(5)])
    frames[:, 0, 0] = 0
    path = dicom(tmp_path / "x", frames, Modality="XA", SOPClassUID=ANGIOGRAPHY)
    shown = one(path).content.array[:, 8, 8].astype(int)
    assert (np.diff(shown) > 40).all()
    inverse = dicom(
        tmp_path / "y", frames, SOPClassUID=ANGIOGRAPHY, PhotometricInterpretation="MONOCHROME1"
    )
    np.testing.assert_array_equal(one(inverse).content.array[:, 8, 8], 255 - shown)


@pytest.mark.parametrize(
    ("name", "shape", "rate"),
    [
        ("examples_ybr_color.dcm", (30, 240, 320, 3), 30.0),
        ("color3d_jpeg_baseline.dcm", (32, 480, 640, 3), 30.0003 * 31 / 119),
        ("OBXXXX1A_2frame.dcm", (2, 600, 800, 3), None),
    ],
)
def test_real_ultrasound_is_a_film(name: str, shape: tuple[int, ...], rate: float | None) -> None:
    path = get_testdata_file(name)
    item = one(path)
    assert item.content.array.shape == shape
    assert item.content.meta.get("rate") == (pytest.approx(rate, rel=1e-3) if rate else None)
    if name == "examples_ybr_color.dcm":
        last = next(iter(pydicom.pixels.iter_pixels(path, indices=[29])))
        np.testing.assert_array_equal(item.content.array[29], last)


@pytest.mark.parametrize("elements", [{}, {"TotalPixelMatrixColumns": 480, "Modality": "SM"}])
def test_frames_that_are_neither_stay_apart(tmp_path: Path, elements: dict[str, Any]) -> None:
    frames = np.stack([noise(seed) for seed in range(6)])
    capture = "1.2.840.10008.5.1.4.1.1.7.2"
    path = dicom(tmp_path / "x", frames, **({"Modality": "OT", "SOPClassUID": capture} | elements))
    assert [item.content.kind for item in read(path, frames=3)] == ["image"] * 3


@pytest.mark.filterwarnings("ignore:Invalid value")
@pytest.mark.parametrize(
    ("elements", "time", "age", "sex"),
    [
        ({"PatientAge": "045Y", "PatientSex": "F"}, None, 45.0, "F"),
        ({"PatientAge": "018M"}, None, 1.5, ""),
        ({"PatientAge": "010D", "PatientSex": "X"}, None, 0.03, ""),
        ({"PatientAge": "999Y", "PatientSex": "m"}, None, None, "M"),
        ({"StudyDate": "20200229", "StudyTime": "2359"}, "2020-02-29T23:59:00", None, ""),
        ({"StudyDate": "20200230"}, None, None, ""),
        ({"StudyDate": "2020.03.01", "StudyTime": "99"}, "2020-03-01", None, ""),
        (
            {"StudyDate": "20200301", "AcquisitionDate": "20200302", "AcquisitionTime": "101112.5"},
            "2020-03-02T10:11:12", None, "",
        ),
        ({"AcquisitionDateTime": "20200304050607.8+0100"}, "2020-03-04T05:06:07", None, ""),
        ({"PatientBirthDate": "19800302", "StudyDate": "20200301"}, "2020-03-01", 39.0, ""),
        ({"PatientBirthDate": "20190901", "StudyDate": "20200301"}, "2020-03-01", 0.5, ""),
        ({"PatientBirthDate": "20210101", "StudyDate": "20200301"}, "2020-03-01", None, ""),
        (
            {"PatientBirthDate": "19800302", "StudyDate": "20200301",
             "PatientIdentityRemoved": "YES"},
            "2020-03-01", None, "",
        ),
    ],
)  # fmt: skip
def test_when_how_old_and_of_which_sex(
    tmp_path: Path, elements: dict[str, Any], time: str | None, age: float | None, sex: str
) -> None:
    item = one(dicom(tmp_path / "x", noise(), **elements))
    assert (item.time, item.age, item.sex) == (time, age, sex)
    assert "2020" not in repr(item.facts)
