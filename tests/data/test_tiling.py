"""Tiles: they show the whole image, and what curate stores and predict sees are the same parts."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from medfm_cli.data import Cutting
from medfm_cli.data.cutting import cut_content
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.data.tiling import Tile, tiles, whole_shape
from medfm_cli.samples.content import Image2D

NOISE = np.random.default_rng(0).integers(0, 256, (300, 200), np.uint8)


def cut(image: np.ndarray, cutting: Cutting) -> list[Tile]:
    """The tiles of an image with their places."""
    parts = cut_content(Image2D(image), cutting)
    return [(*part.place.get("tile", (0, 0)), part.content.array) for part in parts]


def test_an_image_stays_whole_without_tiles() -> None:
    ((y, x, part),) = cut(NOISE, Cutting())
    assert (y, x) == (0, 0)
    assert part is NOISE


def test_a_long_image_is_made_smaller_and_keeps_its_aspect() -> None:
    ((_, _, part),) = cut(NOISE, Cutting(max_side=150))
    assert part.shape == (150, 100)


def test_tiles_are_cut_before_anything_is_made_smaller() -> None:
    parts = cut(NOISE, Cutting(tile=100, tile_limit=4, max_side=50))
    assert len(parts) == 4 and len(cut(NOISE, Cutting(tile=100))) == 6
    assert {part.shape for _, _, part in parts} == {(50, 50)}


@pytest.mark.parametrize(
    ("height", "width"),
    [(512, 508), (508, 512), (600, 400), (1024, 768), (767, 513), (3000, 200), (90, 700), (512, 1)],
)
def test_tiles_show_every_pixel(height: int, width: int) -> None:
    image = np.random.default_rng(1).integers(0, 256, (height, width), np.uint8)
    shown = np.zeros(image.shape, bool)
    for y, x, part in tiles(image, tile=256, limit=100):
        assert part.shape == (min(256, height), min(256, width))
        np.testing.assert_array_equal(part, image[y : y + 256, x : x + 256])
        shown[y : y + 256, x : x + 256] = True
    assert shown.all()


def test_tiles_of_whole_multiples_do_not_overlap() -> None:
    places = [(y, x) for y, x, _ in tiles(NOISE, tile=100, limit=9)]
    assert places == [(0, 0), (0, 100), (100, 0), (100, 100), (200, 0), (200, 100)]


@pytest.mark.parametrize("shape", [(1000, 900), (2500, 2048), (5000, 300), (64, 999), (640, 640)])
@pytest.mark.parametrize("limit", [1, 2, 4, 9])
def test_a_few_tiles_cover_an_image_that_is_made_smaller_before(
    shape: tuple[int, int], limit: int
) -> None:
    """Brightness grows along each axis: the tiles show the darkest and the brightest corner."""
    down, across = np.meshgrid(*(np.linspace(0, 120, side) for side in shape), indexing="ij")
    image = (down + across).astype(np.uint8)
    parts = cut(image, Cutting(tile=64, tile_limit=limit))
    assert 1 <= len(parts) <= limit
    values = np.concatenate([part.reshape(-1) for _, _, part in parts])
    assert values.min() <= 30 and values.max() >= 210
    assert all(max(part.shape) <= 64 for _, _, part in parts) or len(parts) == 1
    assert all(y < shape[0] and x < shape[1] for y, x, _ in parts)


def test_as_little_smaller_as_possible() -> None:
    """A square that needs 16 tiles is covered by nine of three quarters of its side."""
    square = np.random.default_rng(2).integers(0, 256, (400, 400), np.uint8)
    parts = cut(square, Cutting(tile=100, tile_limit=9))
    assert [(y, x) for y, x, _ in parts][:4] == [(0, 0), (0, 133), (0, 267), (133, 0)]
    assert len(cut(square, Cutting(tile=100, tile_limit=16))) == 16


def test_a_sample_of_the_tiles_is_at_full_size() -> None:
    sampled = cut(NOISE, Cutting(tile=50, tile_limit=5, tiling="sample"))
    assert len(sampled) == 5
    for y, x, part in sampled:
        np.testing.assert_array_equal(part, NOISE[y : y + 50, x : x + 50])


def test_models_of_the_first_version_keep_their_grid() -> None:
    """What a model learnt from stays what it sees, whatever was wrong with it."""
    old = Preprocessing.model_validate_json('{"size": 32, "tile": 256, "tile_limit": 9}')
    film = np.random.default_rng(3).integers(0, 256, (512, 508), np.uint8)
    assert [(y, x) for y, x, _ in cut(film, old)] == [(0, 126), (256, 126)]
    again = Preprocessing.model_validate_json(old.model_dump_json())
    assert again == old
    assert Cutting.model_validate_json('{"tile": null}') == Cutting()
    new = Cutting(tile=256)
    assert Cutting.model_validate_json(new.model_dump_json()) == new


@pytest.mark.parametrize("shape", [(30, 40), (100, 100), (101, 199), (200, 10), (700, 800)])
@pytest.mark.parametrize(
    "cutting",
    [
        Cutting(max_side=90),
        Cutting(tile=100, tile_limit=9),
        Cutting(tile=100, tile_limit=2, max_side=50),
        Cutting(tile=100, tile_limit=2, tiling="sample"),
        Cutting(tile=50, tile_limit=1),
    ],
)
def test_what_becomes_of_a_shape_is_known_without_the_pixels(
    shape: tuple[int, int], cutting: Cutting
) -> None:
    image = np.random.default_rng(4).integers(0, 256, shape, np.uint8)
    parts = cut(image, cutting)
    expected = whole_shape(shape, cutting)
    if expected is not None:
        ((_, _, part),) = parts
        assert part.shape == expected
    else:
        assert len(parts) > 1 or cutting.tile_limit == 1 or min(shape) < 100


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 8"):
        Cutting(tile=4)
