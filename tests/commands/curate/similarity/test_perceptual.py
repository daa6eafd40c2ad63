"""Hash and thumbnail: the same for copies, and all eight views from one."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from medfm_cli.commands.curate.similarity.perceptual import (
    INVERSE,
    SIDE,
    TURNS,
    perceptual_hash,
    small,
    turn_hashes,
    turn_images,
)

Pixels = NDArray[np.uint8]
squares = arrays(np.uint8, (SIDE, SIDE))


def blobs(seed: int, shape: tuple[int, ...] = (300, 240)) -> Pixels:
    """A smooth picture."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9), dtype=np.uint8)
    grey = np.asarray(Image.fromarray(coarse).resize(shape[1::-1], Image.Resampling.BICUBIC))
    return grey if len(shape) == 2 else np.stack([grey] * 3, axis=2)


def look(pixels: Pixels) -> int:
    found = perceptual_hash(small(pixels))
    assert found is not None
    return found


def apart(a: int, b: int) -> int:
    return (a ^ b).bit_count()


@given(squares, st.integers(0, len(TURNS) - 1))
def test_hashes_of_turned_pictures_follow_from_one(picture: Pixels, turn: int) -> None:
    whole = perceptual_hash(picture)
    turned = perceptual_hash(turn_images(picture[None], turn)[0])
    if whole is None:
        assert turned is None
        return
    found = turn_hashes(np.array([whole], dtype=np.uint64), turn)[0]
    # The sign of a frequency that is nought does not change with it; there are seldom any.
    waves = np.cos(np.pi * np.mgrid[:9, :SIDE][0] * (2 * np.arange(SIDE) + 1) / (2 * SIDE))
    values = np.round(4096 * waves) @ picture.astype(float) @ np.round(4096 * waves).T
    assert apart(int(found), int(turned or 0)) <= int((values == 0).sum())


@given(arrays(np.uint64, 5, elements=st.integers(0, 2**63 - 1)), st.integers(0, 7))
def test_a_turn_can_be_undone(hashes: NDArray[np.uint64], turn: int) -> None:
    back = turn_hashes(turn_hashes(hashes, turn), INVERSE[turn])
    assert back.tolist() == hashes.tolist()
    pictures = np.arange(2 * 9).reshape(2, 3, 3)
    again = turn_images(turn_images(pictures, turn), INVERSE[turn])
    assert again.tolist() == pictures.tolist()


def test_a_quarter_turn_is_numpys() -> None:
    picture = np.arange(9).reshape(3, 3)
    for turn in range(4):
        assert turn_images(picture[None], turn)[0].tolist() == np.rot90(picture, turn).tolist()
    assert turn_images(picture[None], 4)[0].tolist() == np.fliplr(picture).tolist()
    assert turn_images(picture[None], 5)[0].tolist() == np.flipud(picture).tolist()
    assert turn_images(picture[None], 6)[0].tolist() == picture.T.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_copies_look_alike(seed: int) -> None:
    pixels = blobs(seed)
    image = Image.fromarray(pixels)
    sink = io.BytesIO()
    image.save(sink, "JPEG", quality=50)
    copies = [
        image.resize((120, 150), Image.Resampling.BICUBIC),
        image.resize((40, 40), Image.Resampling.BICUBIC),
        Image.open(sink),
        ImageEnhance.Contrast(image).enhance(0.7),
        image.convert("RGB"),
    ]
    assert all(apart(look(pixels), look(np.asarray(copy))) <= 3 for copy in copies)


def test_others_do_not() -> None:
    hashes = [look(blobs(seed)) for seed in range(30)]
    distances = [apart(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(distances) > 10
    assert 28 < np.mean(distances) < 35


def test_a_hash_fits_sqlite_and_one_grey_has_none() -> None:
    assert all(0 <= look(blobs(seed)) < 2**63 for seed in range(30))
    assert perceptual_hash(small(np.full((50, 40), 7, np.uint8))) is None


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 500), (33, 2), (2000, 31), (64, 64, 3), (1500, 1700, 3)]
)
def test_any_shape_becomes_small(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert small(pixels).shape == (SIDE, SIDE)


@pytest.mark.realdata
def test_radiographs_and_their_copies(shared_data: Path) -> None:
    """Half size and strong JPEG change at most one bit in ten."""
    paths = sorted((shared_data / "cxr_pediatric_pneumonia" / "img").iterdir())[::25]
    assert len(paths) > 20
    for path in paths:
        image = Image.open(path).convert("L")
        sink = io.BytesIO()
        image.resize((image.width // 2, image.height // 2)).save(sink, "JPEG", quality=60)
        assert apart(look(np.asarray(image)), look(np.asarray(Image.open(sink)))) <= 6
