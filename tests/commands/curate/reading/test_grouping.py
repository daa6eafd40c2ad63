"""Which files of a listing are read together."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel
import numpy as np
import pytest
from curate_files import dicom, noise, picture
from scan_files import CORONAL, phantom, series

from medfm_cli.commands.curate.reading.grouping import Group, group, pair_key
from medfm_cli.commands.curate.sources import File
from medfm_cli.commands.curate.sources.folder import FolderSource


def listing(folder: Path) -> list[File]:
    return FolderSource(folder).survey().files


def named(files: list[File], groups: list[Group]) -> list[tuple[str, list[str]]]:
    """Kind and names of the groups of several files; every file must be there once."""
    numbers = [number for found in groups for number in found.numbers]
    assert sorted(numbers) == list(range(len(files)))
    assert [found.main for found in groups] == sorted(found.main for found in groups)
    return [(g.kind, [files[n].name for n in g.numbers]) for g in groups if g.others]


def grouped(folder: Path, *, whole: bool = True) -> list[tuple[str, list[str]]]:
    files = listing(folder)
    return named(files, list(group(files, whole=whole)))


def upwards(count: int) -> list[tuple[float, float, float]]:
    return [(0.0, 0.0, 2.0 * i) for i in range(count)]


def sizes(folder: Path) -> list[int]:
    return sorted(len(names) for _, names in grouped(folder))


def test_slices_of_a_series_are_one_volume_wherever_they_lie(tmp_path: Path) -> None:
    first = series(tmp_path / "a", list(phantom()), upwards(6))
    series(tmp_path / "a/b", list(phantom()), upwards(6), uid="1.2.5")
    (tmp_path / "c").mkdir()
    first[3].rename(tmp_path / "c" / "moved")
    picture(tmp_path / "c" / "photo.png")
    assert sizes(tmp_path) == [6, 6]
    assert grouped(tmp_path, whole=False) == []


def test_what_differs_in_size_direction_spacing_or_patient_is_apart(tmp_path: Path) -> None:
    series(tmp_path / "a", list(phantom(4)), upwards(4))
    backwards = [(0.0, 2.0 * i, 0.0) for i in range(3)]
    series(tmp_path / "b", list(phantom(3)), backwards, orientation=CORONAL)
    series(tmp_path / "c", list(phantom(5, 16, 16)), upwards(5))
    series(tmp_path / "d", list(phantom(2)), upwards(2), PixelSpacing=[1, 1])
    series(tmp_path / "e", list(phantom(7)), upwards(7), PatientID="P2")
    assert sizes(tmp_path) == [2, 3, 4, 5, 7]


def test_scouts_are_apart_from_the_scan(tmp_path: Path) -> None:
    series(tmp_path / "scan", list(phantom()), upwards(6))
    scout = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    series(tmp_path / "scout", list(phantom(1)), [(0, 0, 5.0)], ImageType=scout)
    assert sizes(tmp_path) == [6]


@pytest.mark.parametrize("mark", ["AcquisitionNumber", "EchoNumbers", "TemporalPositionIdentifier"])
def test_places_taken_twice_are_told_apart_by_what_differs(tmp_path: Path, mark: str) -> None:
    for value in (1, 2, 3):
        series(tmp_path / str(value), list(phantom()), upwards(6), **{mark: value})
    found = grouped(tmp_path)
    assert [kind for kind, _ in found] == ["series"] * 3
    for _, names in found:
        assert len({name.split("/")[0] for name in names}) == 1


def test_magnitude_and_phase_are_apart(tmp_path: Path) -> None:
    for name in ("M", "P"):
        series(
            tmp_path / name, list(phantom()), upwards(6), ImageType=["ORIGINAL", "PRIMARY", name]
        )
    assert all(len({name[0] for name in names}) == 1 for _, names in grouped(tmp_path))


def test_an_acquisition_number_for_every_slice_tears_nothing(tmp_path: Path) -> None:
    each = [{"AcquisitionNumber": i} for i in range(6)]
    series(tmp_path / "a", list(phantom()), upwards(6), each=each)
    again = [{"AcquisitionNumber": 10 + i} for i in range(6)]
    numbers = list(range(101, 107))
    series(tmp_path / "b", list(phantom()), upwards(6), each=again, numbers=numbers)
    found = grouped(tmp_path)
    assert sorted(len(names) for _, names in found) == [6, 6]
    for _, names in found:
        assert len({name[0] for name in names}) == 1


def test_a_copy_of_a_slice_belongs_to_its_volume(tmp_path: Path) -> None:
    paths = series(tmp_path, list(phantom()), upwards(6))
    (tmp_path / "copy").write_bytes(paths[0].read_bytes())
    assert sizes(tmp_path) == [7]


def test_copies_of_one_slice_are_no_volume(tmp_path: Path) -> None:
    (path,) = series(tmp_path, list(phantom(1)), upwards(1))
    for number in range(3):
        (tmp_path / f"copy{number}").write_bytes(path.read_bytes())
    assert grouped(tmp_path) == []


def test_radiographs_of_a_series_stay_alone(tmp_path: Path) -> None:
    for number in range(3):
        dicom(
            tmp_path / str(number), noise(number), Modality="CR", SeriesInstanceUID="1.2",
            InstanceNumber=number, SOPClassUID="1.2.840.10008.5.1.4.1.1.1",
        )  # fmt: skip
    assert grouped(tmp_path) == []


def test_damaged_files_are_left_to_be_read_alone(tmp_path: Path) -> None:
    paths = series(tmp_path, list(phantom()), upwards(6))
    paths[0].write_bytes(paths[0].read_bytes()[:200])
    paths[1].write_bytes(b"")
    assert sizes(tmp_path) == [4]


def test_the_groups_do_not_depend_on_who_looks(tmp_path: Path) -> None:
    for number in range(30):
        series(tmp_path / str(number), list(phantom(12)), upwards(12), uid=f"1.2.{number}")
    files = listing(tmp_path)
    alone = list(group(files, whole=True))
    seen: list[int] = []
    with ThreadPoolExecutor(3) as threads:
        together = list(group(files, whole=True, executor=threads, between=seen.append))
    assert together == alone
    assert sum(seen) == len(files) == 360


def test_an_order_of_the_listing_changes_nothing_but_numbers(tmp_path: Path) -> None:
    for number in range(5):
        series(tmp_path / str(number), list(phantom()), upwards(6), uid=f"1.2.{number}")
    files = listing(tmp_path)
    plain = {frozenset(names) for _, names in named(files, list(group(files, whole=True)))}
    random.Random(3).shuffle(files)
    shuffled = {frozenset(names) for _, names in named(files, list(group(files, whole=True)))}
    assert shuffled == plain


def test_nothing_is_opened_where_nothing_can_belong_together() -> None:
    files = [File(f"{n}.png", "/nowhere", 10) for n in range(3)]
    found = list(group(files, whole=False, readers=["image", "npy"]))
    assert found == [Group(0), Group(1), Group(2)]
    assert list(group(files, whole=True)) == found


def test_an_iterator_is_refused() -> None:
    with pytest.raises(TypeError, match="more than once"):
        list(group(iter([File("a", "/a", 1)]), whole=True))


def nifti(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def labels(depth: int = 6) -> np.ndarray:
    return (phantom(depth) // 1500).astype(np.uint8)


@pytest.mark.parametrize("whole", [True, False])
def test_a_header_and_its_image_are_one(tmp_path: Path, whole: bool) -> None:
    nibabel.save(nibabel.Nifti1Pair(phantom(), np.eye(4)), tmp_path / "a.hdr")
    nibabel.save(nibabel.AnalyzeImage(phantom(), np.eye(4)), tmp_path / "b.hdr")
    found = grouped(tmp_path, whole=whole)
    assert found == [("companions", ["a.hdr", "a.img"]), ("companions", ["b.hdr", "b.img"])]


def test_scans_have_their_segmentations(tmp_path: Path) -> None:
    for number in ("01", "02"):
        nifti(tmp_path / f"imagesTr/p_{number}.nii.gz", phantom())
        nifti(tmp_path / f"labelsTr/p_{number}.nii.gz", labels())
    nifti(tmp_path / "flat/x.nii", phantom())
    nifti(tmp_path / "flat/x_seg.nii", labels())
    nifti(tmp_path / "flat/y.nii", phantom())
    nifti(tmp_path / "case7/ct.nii", phantom())
    nifti(tmp_path / "case7/mask.nii", labels())
    assert grouped(tmp_path) == [
        ("mask", ["case7/ct.nii", "case7/mask.nii"]),
        ("mask", ["flat/x.nii", "flat/x_seg.nii"]),
        ("mask", ["imagesTr/p_01.nii.gz", "labelsTr/p_01.nii.gz"]),
        ("mask", ["imagesTr/p_02.nii.gz", "labelsTr/p_02.nii.gz"]),
    ]


def test_a_name_alone_makes_no_segmentation(tmp_path: Path) -> None:
    nifti(tmp_path / "a.nii", phantom())
    nifti(tmp_path / "a_label.nii", phantom())  # no labels
    nifti(tmp_path / "b.nii", phantom())
    nifti(tmp_path / "b_seg.nii", labels(), np.diag([2.0, 2, 2, 1]))  # on another grid
    nifti(tmp_path / "c.nii", phantom())
    (tmp_path / "c_seg.nii").write_bytes(b"not a volume")
    assert grouped(tmp_path) == []


def test_a_segmented_pair_of_header_and_image_is_one_group(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Pair(phantom(), np.eye(4)), tmp_path / "a.hdr")
    nibabel.save(nibabel.Nifti1Pair(labels(), np.eye(4)), tmp_path / "a_seg.hdr")
    assert grouped(tmp_path) == [("mask", ["a.hdr", "a.img", "a_seg.hdr", "a_seg.img"])]


@pytest.mark.parametrize(
    ("name", "rest", "marked"),
    [
        ("images/017.nii.gz", "017", False),
        ("labels/017.nii.gz", "017", True),
        ("masks/images/017.nii", "017", False),
        ("BraTS_seg.nii", "brats", True),
        ("labelsTs/a_1.nii", "ts a 1", True),
        ("image7_mask.nii", "image7", True),
    ],
)
def test_names_are_proposals(name: str, rest: str, marked: bool) -> None:
    assert pair_key(name)[0] == rest
    assert pair_key(name)[2] is marked


@pytest.mark.realdata
def test_every_real_scan_finds_its_segmentation(shared_data: Path) -> None:
    folder = shared_data / "mri3d_hippocampus"
    files = listing(folder)
    found = named(files, list(group(files, whole=True)))
    assert {kind for kind, _ in found} == {"mask"}
    scans = {path.name for path in (folder / "images").iterdir()}
    masks = {path.name for path in (folder / "labels").iterdir()}
    assert len(found) == len(scans & masks)
    for _, (scan, mask) in found:
        assert scan.replace("images/", "labels/") == mask


@pytest.mark.realdata
def test_one_real_slice_in_many_encodings_is_no_volume(shared_data: Path) -> None:
    assert grouped(shared_data / "dicom_mixed") == []
