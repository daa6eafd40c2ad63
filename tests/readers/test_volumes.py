"""Volumes of NIfTI, Analyze, `.npy` and MedMNIST 3D, beside nibabel and numpy."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from scan_files import phantom

from medfm_cli.readers import Item, ReadOptions, Unreadable, find_reader, read_images, sniff
from medfm_cli.readers.nifti.reader import is_mask_of, read_mask
from medfm_cli.samples.content import Image2D, Volume

RIGHT, FRONT = np.diag([2.0, 1.5, 3.0, 1.0]), np.diag([-2.0, 1.5, 3.0, 1.0])


def read(path: Path, **options: Any) -> list[Item]:
    return list(read_images(path, ReadOptions(**({"whole": True} | options))))


def volume(path: Path, **options: Any) -> Volume:
    (item,) = read(path, **options)
    assert isinstance(item.content, Volume)
    return item.content


def canonical(path: Path) -> tuple[np.ndarray, list[float]]:
    """What nibabel makes of a file: scaled, turned to RAS, then up, back and left; spacing."""
    image = nibabel.as_closest_canonical(nibabel.load(path))
    array = image.get_fdata()
    while array.ndim > 3:
        array = array[..., 0]
    zooms = [float(side) for side in image.header.get_zooms()[:3]]
    return array.transpose(2, 1, 0)[:, ::-1, ::-1], zooms[::-1]


def saved(path: Path, array: np.ndarray, affine: np.ndarray = RIGHT, **header: Any) -> Path:
    kind = header.pop("kind", nibabel.Nifti1Image)
    image = kind(array, affine)
    path.parent.mkdir(parents=True, exist_ok=True)
    if header:
        image.header.set_slope_inter(header["slope"], header["inter"])
        image = kind(image.dataobj, affine, image.header)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("axes", ["RAS", "LPS", "LAS", "PIR", "SLA", "AIL", "IPL"])
@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_every_direction_is_turned_as_nibabel_turns_it(
    tmp_path: Path, axes: str, name: str
) -> None:
    plain = nibabel.Nifti1Image(phantom(7, 9, 11), RIGHT)
    turn = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(RIGHT), nibabel.orientations.axcodes2ornt(axes)
    )
    nibabel.save(plain.as_reoriented(turn), tmp_path / name)
    found = volume(tmp_path / name)
    expected, spacing = canonical(tmp_path / name)
    np.testing.assert_array_equal(found.voxels, expected)
    assert found.voxels.dtype == np.int16
    assert found.spacing == pytest.approx((3.0, 1.5, 2.0))
    assert spacing == pytest.approx([3.0, 1.5, 2.0])


def test_an_oblique_scan_is_not_resampled(tmp_path: Path) -> None:
    turn = np.radians(25)
    affine = np.eye(4)
    affine[:3, :3] = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, -1]]
    ) * np.array([1.0, 2.0, 3.0])
    path = saved(tmp_path / "x.nii", phantom(), affine)
    expected, spacing = canonical(path)
    np.testing.assert_array_equal(volume(path).voxels, expected)
    assert volume(path).spacing == pytest.approx(spacing)


def test_scaling_is_applied_and_whole_numbers_stay_whole(tmp_path: Path) -> None:
    stored = phantom().astype(np.uint16)
    image = nibabel.Nifti1Image(stored, RIGHT)
    for slope, inter, dtype in ((1, -1024, np.int16), (2, 0, np.int16), (0.37, 5, np.float32)):
        image.header.set_slope_inter(slope, inter)
        path = tmp_path / f"{slope}.nii"
        raw = image.header.copy()
        with path.open("wb") as file:  # nibabel itself would choose another scale
            raw["vox_offset"] = 352
            raw["scl_slope"], raw["scl_inter"] = slope, inter
            raw["magic"] = b"n+1"
            raw.set_data_dtype(np.uint16)
            file.write(raw.binaryblock + bytes(4) + stored.tobytes(order="F"))
        found = volume(path).voxels
        expected, _ = canonical(path)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "f4", "f8", ">i2", ">f4"])
def test_types_are_kept_where_they_can_be(tmp_path: Path, dtype: str) -> None:
    array = (phantom() % 120).astype(dtype)
    image = nibabel.Nifti1Image(array, RIGHT)
    if dtype.startswith(">"):
        image = nibabel.Nifti1Image(array, RIGHT, nibabel.Nifti1Header(endianness=">"))
        image.set_data_dtype(dtype)
    nibabel.save(image, tmp_path / "x.nii")
    found = volume(tmp_path / "x.nii").voxels
    kept = {"u1": "uint8", "u2": "uint16", "f4": "float32", "f8": "float32", ">f4": "float32"}
    assert found.dtype.name == kept.get(dtype, "int16")
    np.testing.assert_array_equal(found, canonical(tmp_path / "x.nii")[0])


@pytest.mark.parametrize(
    "kind", [nibabel.Nifti1Pair, nibabel.Nifti2Pair, nibabel.AnalyzeImage, nibabel.Spm2AnalyzeImage]
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_header_and_its_image_are_read_together(tmp_path: Path, kind: type, packed: bool) -> None:
    saved(tmp_path / "x.hdr", phantom(), FRONT, kind=kind)
    expected, spacing = canonical(tmp_path / "x.hdr")
    if packed:
        image = tmp_path / "x.img"
        (tmp_path / "x.img.gz").write_bytes(gzip.compress(image.read_bytes()))
        image.unlink()
    found = volume(tmp_path / "x.hdr")
    np.testing.assert_array_equal(found.voxels, expected)
    assert found.spacing == pytest.approx(spacing)
    companions = find_reader("nifti").companions
    assert companions is not None
    assert companions(tmp_path / "x.hdr") == [tmp_path / ("x.img.gz" if packed else "x.img")]


def test_a_header_without_its_image_is_told(tmp_path: Path) -> None:
    saved(tmp_path / "x.hdr", phantom(), kind=nibabel.Nifti1Pair)
    (tmp_path / "x.img").unlink()
    with pytest.raises(Unreadable, match=r"\.img"):
        read(tmp_path / "x.hdr")


def test_nifti_2_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.nii", phantom(), kind=nibabel.Nifti2Image)
    np.testing.assert_array_equal(volume(path).voxels, canonical(path)[0])


def test_of_a_series_of_volumes_some_are_taken_and_numbered(tmp_path: Path) -> None:
    series = np.stack([phantom() + n for n in range(9)], axis=-1)
    path = saved(tmp_path / "x.nii.gz", series)
    items = read(path, frames=3)
    assert [item.frame for item in items] == [0, 4, 8]
    assert items[1].notes == ("volume 5 of 9 in the file",)
    np.testing.assert_array_equal(items[1].content.array, canonical(path)[0] + 4)
    assert len(read(path, frames=1)) == 1


def test_colour_volumes_are_read_whole(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), np.uint8)
    kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    image = nibabel.Nifti1Image(colours.copy().view(kind)[..., 0], np.eye(4))
    nibabel.save(image, tmp_path / "x.nii")
    found = volume(tmp_path / "x.nii").voxels
    np.testing.assert_array_equal(found, colours.transpose(2, 1, 0, 3)[:, ::-1, ::-1])
    with pytest.raises(Unreadable, match="no grey image"):
        read(tmp_path / "x.nii", whole=False)


def test_millimetres_whatever_the_unit(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(phantom(), np.diag([0.001, 0.002, 0.003, 1]))
    image.header.set_xyzt_units("meter")
    nibabel.save(image, tmp_path / "x.nii")
    assert volume(tmp_path / "x.nii").spacing == pytest.approx((3.0, 2.0, 1.0))


def test_segmentations_alone_are_no_volumes(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.nii.gz", (phantom() // 1500).astype(np.uint8))
    for whole in (True, False):
        with pytest.raises(Unreadable, match="a segmentation") as caught:
            read(path, whole=whole)
        assert caught.value.step == "quality"


def test_claims_are_checked_before_memory_is_taken(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape((30000, 30000, 30000))
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    path = tmp_path / "x.nii"
    path.write_bytes(header.binaryblock + bytes(1000))
    for whole in (True, False):
        with pytest.raises(Unreadable, match=r"million values|megapixels|more than"):
            read(path, whole=whole)
    header.set_data_shape((300, 300, 300))
    path.write_bytes(gzip.compress(header.binaryblock + bytes(1000)))
    with pytest.raises(Unreadable, match="damaged or truncated"):
        read(path)
    path.write_bytes(header.binaryblock + bytes(1000))
    with pytest.raises(Unreadable, match="truncated"):
        read(path)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "SLA"])
def test_a_mask_is_turned_as_its_scan_however_it_is_stored(tmp_path: Path, axes: str) -> None:
    labels = (phantom() // 1500).astype(np.uint8)
    scan = saved(tmp_path / "scan.nii", phantom())
    turn = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(RIGHT), nibabel.orientations.axcodes2ornt(axes)
    )
    nibabel.save(nibabel.Nifti1Image(labels, RIGHT).as_reoriented(turn), tmp_path / "mask.nii")
    found = read_mask(tmp_path / "mask.nii", scan)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, labels.transpose(2, 1, 0)[:, ::-1, ::-1])
    assert found.shape == volume(scan).voxels.shape


def test_a_mask_of_another_grid_is_refused(tmp_path: Path) -> None:
    labels = (phantom() // 1500).astype(np.uint8)
    scan = saved(tmp_path / "scan.nii", phantom())
    moved = RIGHT.copy()
    moved[0, 3] = 7
    for number, (array, affine) in enumerate(
        [(labels[:-1], RIGHT), (labels, moved), (labels, FRONT), (labels, np.eye(4))]
    ):
        path = saved(tmp_path / f"{number}.nii", array, affine)
        with pytest.raises(Unreadable, match="another grid"):
            read_mask(path, scan)
        assert not is_mask_of(path, scan)
    halves = saved(tmp_path / "halves.nii", labels / 2)
    with pytest.raises(Unreadable, match="integers from 0"):
        read_mask(halves, scan)


@pytest.mark.parametrize("whole", [True, False])
def test_a_scan_and_its_mask_are_one_sample(tmp_path: Path, whole: bool) -> None:
    labels = (phantom() // 1500).astype(np.uint8)
    paths = [saved(tmp_path / "a.nii", phantom()), saved(tmp_path / "b.nii", labels)]
    reader = find_reader("nifti").read_group
    assert reader is not None
    items = list(reader(paths, ReadOptions(whole=whole)))
    expected = labels.transpose(2, 1, 0)[:, ::-1, ::-1]
    for item in items:
        assert item.mask is not None
        assert item.mask.shape == item.content.array.shape
        if whole:
            np.testing.assert_array_equal(item.mask, expected)
        else:
            assert isinstance(item.content, Image2D)
            rows = np.unique(item.mask, return_counts=True)[0]
            assert set(rows) <= set(np.unique(expected[item.frame]))
    paths[1].write_bytes(b"broken")
    found = reader([paths[0]], ReadOptions(whole=whole))
    assert next(found).mask is None


def test_a_broken_mask_is_a_refusal_beside_its_scan(tmp_path: Path) -> None:
    paths = [saved(tmp_path / "a.nii.gz", phantom()), tmp_path / "b.nii.gz"]
    data = saved(paths[1], (phantom() // 1500).astype(np.uint8)).read_bytes()
    paths[1].write_bytes(data[: len(data) // 2])
    reader = find_reader("nifti").read_group
    assert reader is not None
    items = reader(paths, ReadOptions(whole=True))
    assert next(items).mask is None
    with pytest.raises(Unreadable, match="its segmentation"):
        next(items)


@pytest.mark.realdata
def test_real_scans_and_labels_against_nibabel(shared_data: Path) -> None:
    folder = shared_data / "mri3d_hippocampus"
    reader = find_reader("nifti").read_group
    assert reader is not None
    count = 0
    for scan in sorted((folder / "images").iterdir()):
        mask = folder / "labels" / scan.name
        if not mask.is_file():
            continue
        (item,) = reader([scan, mask], ReadOptions(whole=True))
        expected, spacing = canonical(scan)
        np.testing.assert_array_equal(item.content.array, expected)
        assert item.content.meta["spacing"] == pytest.approx(spacing)
        np.testing.assert_array_equal(item.mask, canonical(mask)[0])
        count += 1
    assert count >= 60


@pytest.mark.parametrize(
    ("shape", "count", "seen"),
    [
        ((9, 40, 48), 1, (9, 40, 48)),
        ((9, 40, 48, 1), 1, (9, 40, 48)),
        ((9, 40, 48, 3), 1, (9, 40, 48, 3)),
        ((6, 9, 20, 24), 4, (9, 20, 24)),
        ((6, 9, 20, 24, 3), 4, (9, 20, 24, 3)),
    ],
)
def test_arrays_are_volumes_when_whole(
    tmp_path: Path, shape: tuple[int, ...], count: int, seen: tuple[int, ...]
) -> None:
    array = np.random.default_rng(0).integers(-500, 500, shape, np.int16)
    np.save(tmp_path / "x.npy", array)
    items = read(tmp_path / "x.npy", format={"spacing": [3, 1, 1]})
    assert len(items) == count
    for item in items:
        assert isinstance(item.content, Volume)
        assert item.content.spacing == (3.0, 1.0, 1.0)
        whole = array.reshape((-1, *seen))[item.frame]
        np.testing.assert_array_equal(item.content.array, whole)
        assert item.content.array.shape == seen


@pytest.mark.parametrize("shape", [(40, 48), (40, 48, 3), (3, 40, 48)])
def test_flat_arrays_stay_pictures_when_whole(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    assert [item.content.kind for item in read(tmp_path / "x.npy")] == ["image"]


def test_an_array_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((20, 30, 40)))
    with pytest.raises(Unreadable, match="more than the limit"):
        read(tmp_path / "x.npy", max_values=10_000)


def medmnist(path: Path, *, packed: bool = True) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for split, count in (("train", 5), ("val", 2), ("test", 3)):
        arrays[f"{split}_images"] = draw.integers(0, 256, (count, 12, 14, 16), np.uint8)
        arrays[f"{split}_labels"] = np.arange(count)[:, None]
    (np.savez_compressed if packed else np.savez)(path, **arrays)
    return arrays


@pytest.mark.parametrize("packed", [True, False])
def test_medmnist_volumes_bring_labels_and_split(tmp_path: Path, packed: bool) -> None:
    arrays = medmnist(tmp_path / "x.npz", packed=packed)
    items = read(tmp_path / "x.npz")
    counted = find_reader("medmnist").count
    assert counted is not None and counted(tmp_path / "x.npz") == len(items) == 10
    for item in items:
        split, _, index = item.part.partition("/")
        assert (item.split, item.label) == (split, index)
        np.testing.assert_array_equal(item.content.array, arrays[f"{split}_images"][int(index)])
        assert item.content.kind == "volume"
    assert [i.part for i in read(tmp_path / "x.npz", items=(4, 6))] == ["train/4", "val/0"]


def test_medmnist_volumes_give_slices_otherwise(tmp_path: Path) -> None:
    arrays = medmnist(tmp_path / "x.npz")
    items = read(tmp_path / "x.npz", whole=False, slices=3)
    assert len(items) == 30
    assert [(item.part, item.frame) for item in items[:4]] == [
        ("train/0", 3), ("train/0", 5), ("train/0", 8), ("train/1", 3),
    ]  # fmt: skip
    np.testing.assert_array_equal(items[1].pixels, arrays["train_images"][0][5])


def test_other_archives_of_arrays_are_refused_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", image=phantom(), label=phantom())
    assert sniff(tmp_path / "x.npz").name == "medmnist"
    with pytest.raises(Unreadable, match="without MedMNIST's arrays"):
        read(tmp_path / "x.npz")


def test_labels_that_claim_too_much_are_refused(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "x.npz", train_images=np.zeros((2, 8, 8, 8), np.uint8),
        train_labels=np.zeros((3, 1)),
    )  # fmt: skip
    with pytest.raises(Unreadable, match="3 labels for 2"):
        read(tmp_path / "x.npz")
