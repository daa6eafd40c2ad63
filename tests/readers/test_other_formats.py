"""Images, arrays, collections and volumes: what is read, and what is refused with which words."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from curate_files import noise, picture
from PIL import Image

from medfm_cli.readers import (
    ON_REQUEST,
    Item,
    ReadOptions,
    Unreadable,
    candidate_readers,
    find_reader,
    read_images,
    sniff,
)


def read(path: Path, **options: Any) -> list[Item]:
    return list(read_images(path, ReadOptions(**options)))


def one(path: Path) -> Item:
    (item,) = read(path)
    return item


@pytest.mark.parametrize("ending", ["png", "tif", "bmp", "ppm", "jp2"])
@pytest.mark.parametrize("colour", [False, True])
def test_lossless_images_come_back_as_they_are(tmp_path: Path, ending: str, colour: bool) -> None:
    path = picture(tmp_path / f"x.{ending}", 5, colour=colour)
    named = path.rename(tmp_path / "no-ending-at-all")
    np.testing.assert_array_equal(one(named).pixels, noise(5, colour=colour))


def test_jpeg_and_gif_are_read(tmp_path: Path) -> None:
    assert one(picture(tmp_path / "x.jpg")).pixels.shape == (40, 48)
    frames = [Image.fromarray(noise(seed)) for seed in range(3)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    item = one(tmp_path / "x.gif")
    assert item.pixels.shape[:2] == (40, 48)
    assert item.facts["frames"] == 3


def test_deep_greys_are_stretched(tmp_path: Path) -> None:
    deep = (np.arange(48 * 40).reshape(40, 48) + 5000).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "x.png")
    item = one(tmp_path / "x.png")
    assert (item.pixels.min(), item.pixels.max()) == (0, 255)
    assert (np.diff(item.pixels.astype(int).ravel()) >= 0).all()


def test_transparency_lies_on_black_and_palettes_are_looked_up(tmp_path: Path) -> None:
    shown = np.zeros((40, 48, 4), np.uint8)
    shown[:, :24] = (200, 10, 10, 255)
    Image.fromarray(shown).save(tmp_path / "a.png")
    pixels = one(tmp_path / "a.png").pixels
    assert pixels[0, 0].tolist() == [200, 10, 10]
    assert pixels[0, 40].tolist() == [0, 0, 0]
    Image.fromarray(noise(1, colour=True)).quantize(16).save(tmp_path / "p.png")
    assert one(tmp_path / "p.png").pixels.shape == (40, 48, 3)


def test_exif_turns_a_photograph_upright(tmp_path: Path) -> None:
    image = Image.fromarray(noise(1))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "x.png", exif=exif)
    assert one(tmp_path / "x.png").pixels.shape == (48, 40)


def test_truncated_and_damaged_images_are_told(tmp_path: Path) -> None:
    data = picture(tmp_path / "x.png", height=200, width=200).read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(Unreadable, match="truncated"):
        one(tmp_path / "cut.png")
    (tmp_path / "bad.png").write_bytes(data[:40] + b"\xff" * 400)
    with pytest.raises(Unreadable, match=r"damaged|truncated"):
        one(tmp_path / "bad.png")


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")
    with pytest.raises(Unreadable, match=r"megapixels|pixels"):
        one(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    ("shape", "count", "seen"),
    [
        ((40, 48), 1, (40, 48)),
        ((40, 48, 1), 1, (40, 48)),
        ((40, 48, 3), 1, (40, 48, 3)),
        ((3, 40, 48), 1, (40, 48, 3)),
        ((9, 40, 48), 4, (40, 48)),
        ((9, 40, 48, 3), 4, (40, 48, 3)),
    ],
)
def test_arrays_of_every_layout(
    tmp_path: Path, shape: tuple[int, ...], count: int, seen: tuple[int, ...]
) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    items = read(tmp_path / "x.npy")
    assert len(items) == count
    assert {item.pixels.shape for item in items} == {seen}


def test_arrays_of_other_numbers_are_stretched_and_nonsense_is_refused(tmp_path: Path) -> None:
    values = noise(2).astype(np.float32)
    values[0, 0] = np.nan
    np.save(tmp_path / "f.npy", values)
    assert one(tmp_path / "f.npy").pixels.max() == 255
    for name, array in {
        "none": np.full((40, 40), np.nan),
        "words": np.array([["a"] * 40] * 40),
        "deep": np.zeros((2, 2, 2, 2, 2)),
        "empty": np.zeros((0, 4)),
    }.items():
        np.save(tmp_path / f"{name}.npy", array)
        with pytest.raises(Unreadable):
            read(tmp_path / f"{name}.npy")


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "harmed",))

    objects = np.array([Harm()], dtype=object)
    np.save(tmp_path / "x.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "x.npz", train_images=objects, train_labels=objects)
    np.savez(tmp_path / "y.npz", train_images=noise(0)[None], train_labels=objects)
    for name in ("x.npy", "x.npz", "y.npz"):
        with pytest.raises(Unreadable):
            read(tmp_path / name)
    assert not (tmp_path / "harmed").exists()


def medmnist(path: Path, *, count: int = 6, colour: bool = False, labels: Any = None) -> Path:
    arrays: dict[str, Any] = {}
    for place, split in enumerate(("train", "val", "test")):
        images = [noise(100 * place + i, height=28, width=28, colour=colour) for i in range(count)]
        arrays[f"{split}_images"] = np.stack(images)
        arrays[f"{split}_labels"] = (
            np.arange(count)[:, None] % 2 if labels is None else np.tile(labels, (count, 1))
        )
    np.savez_compressed(path, **arrays)
    return path


def test_medmnist_brings_labels_and_split(tmp_path: Path) -> None:
    path = medmnist(tmp_path / "x.npz")
    items = read(path)
    assert [item.split for item in items] == ["train"] * 6 + ["val"] * 6 + ["test"] * 6
    assert [item.label for item in items[:3]] == ["0", "1", "0"]
    assert items[7].part == "val/1"
    np.testing.assert_array_equal(items[7].pixels, noise(101, height=28, width=28))


@pytest.mark.parametrize("colour", [False, True])
def test_medmnist_in_ranges_is_medmnist_in_one(tmp_path: Path, colour: bool) -> None:
    path = medmnist(tmp_path / "x.npz", colour=colour)
    counted = find_reader("medmnist").count
    assert counted is not None and counted(path) == 18
    pieces = [i for low in range(0, 18, 4) for i in read(path, items=(low, min(low + 4, 18)))]
    whole = read(path)
    assert [item.part for item in pieces] == [item.part for item in whole]
    for one_, other in zip(pieces, whole, strict=True):
        np.testing.assert_array_equal(one_.pixels, other.pixels)


def test_several_labels_of_one_image(tmp_path: Path) -> None:
    path = medmnist(tmp_path / "x.npz", labels=np.array([[1, 0, 1]]))
    assert read(path)[0].labels == ["0", "2"]
    assert read(path)[0].label is None


def test_npz_files_that_are_not_medmnist(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=noise(0)[None])
    with pytest.raises(Unreadable, match="without MedMNIST"):
        read(tmp_path / "x.npz")
    np.savez(tmp_path / "v.npz", train_images=np.zeros((2, 28, 28, 28, 28), np.uint8))
    with pytest.raises(Unreadable, match="no images"):
        read(tmp_path / "v.npz")
    data = medmnist(tmp_path / "y.npz").read_bytes()
    (tmp_path / "y.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(Unreadable, match="damaged"):
        read(tmp_path / "y.npz")


def volume(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    image = nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine)
    nibabel.save(image, path)
    return path


def head(shape: tuple[int, int, int] = (30, 40, 24)) -> np.ndarray:
    """Values that say where they are: 100 x + y + 10000 z along right, front and up."""
    x, y, z = np.indices(shape)
    return (100 * x + y + 10000 * z).astype(np.int32)


def test_slices_are_axial_front_up_and_right_on_the_left(tmp_path: Path) -> None:
    items = read(volume(tmp_path / "x.nii", head()), slices=3)
    assert [item.frame for item in items] == [6, 12, 17]
    assert items[0].pixels.shape == (40, 30)
    row = items[1].pixels[20].astype(int)
    assert row[0] >= row[-1], "x grows to the patient's right, which is on the left"
    whole = np.concatenate([item.pixels.ravel() for item in items])
    assert whole.max() == 255


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "SLA", "AIL"])
def test_every_orientation_gives_the_same_slices(tmp_path: Path, axes: str) -> None:
    plain = nibabel.Nifti1Image(head(), np.eye(4))
    expected = read(volume(tmp_path / "ras.nii", head()))
    turn = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(np.eye(4)), nibabel.orientations.axcodes2ornt(axes)
    )
    nibabel.save(plain.as_reoriented(turn), tmp_path / "x.nii.gz")
    found = read((tmp_path / "x.nii.gz").rename(tmp_path / "x"))
    assert len(found) == len(expected) == 8
    for one_, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one_.pixels, other.pixels)


def test_long_voxels_become_square_pixels(tmp_path: Path) -> None:
    item = read(volume(tmp_path / "x.nii", head(), np.diag([1.0, 2.0, 1.0, 1.0])))[0]
    assert item.pixels.shape == (80, 30)


def test_segmentations_and_damaged_volumes_are_refused(tmp_path: Path) -> None:
    mask = volume(tmp_path / "m.nii.gz", (head() % 3).astype(np.uint8))
    with pytest.raises(Unreadable, match="segmentation") as caught:
        read(mask)
    assert caught.value.step == "quality"
    data = volume(
        tmp_path / "x.nii.gz", noise(0, height=60, width=60)[:, :, None] + head((60, 60, 9))
    )
    data.write_bytes(data.read_bytes()[:-2000])
    with pytest.raises(Unreadable, match="damaged"):
        read(data)
    with pytest.raises(Unreadable):
        read(volume(tmp_path / "flat.nii", head()[:, :, 0]))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\x80\x04\x95" + b"x" * 50, "a Python pickle"),
        (b"<html>", "XML or HTML"),
        (b'{"a": 1}', "JSON"),
        ("Grüße, 世界\n".encode(), "text"),
        (b"\x00\x01\x02\x03" * 99, "unknown binary"),
    ],
)
def test_other_files_say_what_they_seem_to_be(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(Unreadable, match=words):
        sniff(tmp_path / "x.png")


def test_an_archive_is_no_collection(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "x")
    (tmp_path / "x.npz").write_bytes(buffer.getvalue())
    with pytest.raises(Unreadable, match="ZIP"):
        sniff(tmp_path / "x.npz")


def test_readers_on_request_are_asked_first_and_only_on_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(ON_REQUEST, "nifti", frozenset({"rate", "units"}))
    assert "nifti" not in candidate_readers()
    assert "nifti" not in candidate_readers(words=["rate"])
    assert candidate_readers(words=["units", "rate", "x"])[:3] == [
        "csv-signal",
        "npy-signal",
        "nifti",
    ]
    assert candidate_readers(["image", "nifti"]) == ["nifti", "image"]
    assert candidate_readers(["image"], ["rate", "units"]) == ["image"]
