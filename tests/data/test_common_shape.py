"""Pictures and volumes in one shape: the axes, the depth, the proportions, the mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from medfm_cli.data.card import Unify
from medfm_cli.data.common_shape import nearest_depth, to_channels_first, to_common_shape
from medfm_cli.samples.content import Image2D, Volume

DEPTHS = list(range(4, 65, 4))


@pytest.mark.parametrize(
    ("depth", "expected"), [(1, 4), (5, 4), (6, 4), (7, 8), (33, 32), (34, 32), (35, 36), (900, 64)]
)
def test_the_depth_is_the_nearest_in_use(depth: int, expected: int) -> None:
    assert nearest_depth(depth, DEPTHS) == expected


def test_a_picture_is_repeated_along_the_smallest_depth() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    done = to_common_shape(Image2D(pixels), Unify(size=32))
    voxels = done.volume.voxels
    assert (voxels.shape, voxels.dtype) == ((4, 32, 32, 3), np.uint8)
    assert (voxels == voxels[0]).all()
    seen = to_channels_first(voxels, channels=3)
    assert seen.shape == (3, 32, 32, 4)
    assert (seen[1, 7, 9] == voxels[:, 7, 9, 1]).all()


def test_the_axes_of_a_volume_stay_where_they_are() -> None:
    """Bright at the head, at the back and at the patient's left: there it is afterwards."""
    for axis in range(3):
        voxels = np.zeros((8, 24, 24), dtype=np.int16)
        index = [slice(None)] * 3
        index[axis] = slice(voxels.shape[axis] // 2, None)
        voxels[tuple(index)] = 1000
        out = to_common_shape(Volume(voxels), Unify(size=16, depths=[4, 8, 12])).volume.voxels
        assert out.shape == (8, 16, 16)
        first, second = np.split(out.astype(int), 2, axis=axis)
        assert first.mean() < 5 < 250 < second.mean()
        seen = to_channels_first(out, channels=1)
        assert seen.shape == (1, 16, 16, 8)
        assert seen[0, 3, 5, 7] == out[7, 3, 5]


def test_proportions_are_those_of_the_body() -> None:
    """A cube of 40 mm in voxels of 4 × 1 × 2 mm is a square in the plane."""
    voxels = np.full((10, 80, 40), 10, dtype=np.int16)
    voxels[:, 20:60, 10:30] = 300
    mask = (voxels == 300).astype(np.uint16) * 700
    done = to_common_shape(Volume(voxels, (4.0, 1.0, 2.0), "HU"), Unify(size=40), mask=mask)
    bright = np.argwhere(done.volume.voxels[5] > 127)
    assert (np.ptp(bright, axis=0) + 1).tolist() == [20, 20]
    assert done.greys == (10, 300)
    assert done.mask is not None and done.mask.dtype == np.uint16
    assert set(np.unique(done.mask)) == {0, 700}
    assert ((done.mask == 700) == (done.volume.voxels > 127)).mean() > 0.99
    # the same body, in other voxels
    assert done.volume.spacing is not None
    assert np.allclose(np.multiply(done.volume.spacing, (8, 40, 40)), (40, 80, 80))


def test_what_is_wider_is_padded_with_its_background() -> None:
    voxels = np.full((4, 10, 20), 90, dtype=np.uint8)
    voxels[:, 3:7, 5:15] = 200
    out = to_common_shape(Volume(voxels), Unify(size=20, depths=[4])).volume.voxels
    assert (out[:, :5] == 90).all() and (out[:, 15:] == 90).all()
    assert (out[:, 5:15] == voxels).all()


@given(
    st.integers(1, 70), st.integers(1, 40), st.integers(1, 40), st.booleans(), st.integers(8, 40)
)
def test_every_shape_becomes_the_common_one(
    depth: int, height: int, width: int, colour: bool, size: int
) -> None:
    rng = np.random.default_rng(depth)
    shape = (depth, height, width, *([3] if colour else []))
    voxels = rng.integers(0, 256, shape, dtype=np.uint8)
    mask = rng.integers(0, 3, (depth, height, width), dtype=np.uint8)
    done = to_common_shape(Volume(voxels, (2.5, 0.7, 0.7)), Unify(size=size), mask=mask)
    expected = nearest_depth(depth, DEPTHS)
    assert done.volume.voxels.shape[:3] == (expected, size, size)
    assert done.mask is not None and done.mask.shape == (expected, size, size)
    assert to_channels_first(done.volume.voxels, channels=3).shape == (3, size, size, expected)


@pytest.mark.parametrize("depths", [[], [8, 4], [4, 4], [0, 4]])
def test_depths_make_sense(depths: list[int]) -> None:
    with pytest.raises(ValidationError, match="depths"):
        Unify(depths=depths)
