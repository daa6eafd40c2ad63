"""Real files of packages and of the shared data: every one gives images or a reason."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from medfm_cli.readers import Item, Unreadable, read_images


def folder_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "data"


def read(path: Path) -> list[Item] | str:
    try:
        return list(read_images(path))
    except Unreadable as error:
        return error.reason


@pytest.fixture(scope="module")
def files() -> dict[str, list[Item] | str]:
    paths = [p for name in ("pydicom", "data_store") for p in folder_of(name).rglob("*")]
    return {p.name: read(p) for p in paths if p.is_file() and p.suffix not in (".py", ".pyc")}


def pixels(files: dict[str, list[Item] | str], name: str) -> list[np.ndarray]:
    items = files[name]
    assert not isinstance(items, str), items
    return [item.pixels for item in items]


@pytest.mark.parametrize(
    "names",
    [
        [
            "MR_small.dcm",
            "MR_small_RLE.dcm",
            "MR_small_bigendian.dcm",
            "MR_small_implicit.dcm",
            "MR_small_jp2klossless.dcm",
            "MR_small_jpeg_ls_lossless.dcm",
            "MR_small_padded.dcm",
        ],
        ["693_UNCR.dcm", "693_J2KR.dcm"],
        ["RG1_UNCR.dcm", "RG1_J2KR.dcm"],
        ["RG3_UNCR.dcm", "RG3_J2KR.dcm"],
        ["US1_UNCR.dcm", "US1_J2KR.dcm"],
        ["OBXXXX1A.dcm", "OBXXXX1A_rle.dcm", "OBXXXX1A_expb.dcm"],
        [
            "emri_small.dcm",
            "emri_small_RLE.dcm",
            "emri_small_big_endian.dcm",
            "emri_small_jpeg_2k_lossless.dcm",
            "emri_small_jpeg_ls_lossless.dcm",
        ],
        [
            "SC_rgb.dcm",
            "SC_rgb_rle.dcm",
            "SC_rgb_expb.dcm",
            "SC_rgb_16bit.dcm",
            "SC_rgb_32bit.dcm",
            "SC_rgb_jpeg_gdcm.dcm",
        ],
        ["color-pl.dcm", "color-px.dcm"],
        ["gdcm-US-ALOKA-16.dcm", "gdcm-US-ALOKA-16_big.dcm"],
    ],
    ids=lambda names: names[0],
)
def test_one_picture_in_many_lossless_encodings(
    files: dict[str, list[Item] | str], names: list[str]
) -> None:
    first, *others = (pixels(files, name) for name in names)
    for name, other in zip(names[1:], others, strict=True):
        assert len(other) == len(first), name
        for a, b in zip(first, other, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("MR_truncated.dcm", "shorter than its header says"),
        ("rtdose.dcm", "dose grid"),
        ("badVR.dcm", "dose grid"),
        ("liver.dcm", "segmentation"),
        ("reportsi.dcm", "structured report"),
        ("rtstruct.dcm", "contours"),
        ("DICOMDIR", "DICOMDIR"),
        ("hotiron.dcm", "colour palette"),
        ("meta_missing_tsyntax.dcm", "without pixel data"),
        ("README.txt", "text"),
        ("test1.json", "JSON"),
    ],
)
def test_files_that_are_no_images(
    files: dict[str, list[Item] | str], name: str, reason: str
) -> None:
    found = files[name]
    assert isinstance(found, str), name
    assert reason in found


def test_colours_of_ybr_files_are_those_of_their_rgb_twin(
    files: dict[str, list[Item] | str],
) -> None:
    (rgb,), (ybr,) = pixels(files, "SC_rgb.dcm"), pixels(files, "SC_ybr_full_uncompressed.dcm")
    assert np.abs(rgb.astype(int) - ybr).max() <= 8


def test_no_subject_of_a_real_file_is_in_its_facts(files: dict[str, list[Item] | str]) -> None:
    for items in files.values():
        for item in items if not isinstance(items, str) else []:
            for secret in (item.subject, item.study):
                if secret and len(secret) > 3:
                    assert secret not in repr(item.facts)


@pytest.mark.realdata
def test_every_shared_image_folder_is_read(shared_data: Path) -> None:
    """A few files of every folder; nothing but images and reasons comes back."""
    kinds: Counter[str] = Counter()
    for folder in sorted(p for p in shared_data.iterdir() if p.is_dir()):
        for path in sorted(p for p in folder.rglob("*") if p.is_file())[:25]:
            if path.stat().st_size < 2_000_000:
                items = read(path)
                kinds["no image" if isinstance(items, str) else "image"] += 1
                for item in items if not isinstance(items, str) else []:
                    if item.content.kind != "image":
                        continue
                    assert item.pixels.dtype == np.uint8
                    assert item.pixels.ndim in (2, 3)
    assert kinds["image"] > 100
    assert kinds["no image"] > 50
