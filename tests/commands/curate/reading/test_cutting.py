"""Cutting: what curate stores and what predict sees are the same parts."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from medfm_cli.data import Cutting
from medfm_cli.data.preprocess import Preprocessing, cut, fit

NOISE = np.random.default_rng(0).integers(0, 256, (300, 200), np.uint8)


def test_an_image_stays_whole_without_tiles() -> None:
    ((y, x, part),) = cut(NOISE, Cutting())
    assert (y, x) == (0, 0)
    assert part is NOISE


def test_a_long_image_is_made_smaller_and_keeps_its_aspect() -> None:
    ((_, _, part),) = cut(NOISE, Cutting(max_side=150))
    assert part.shape == (150, 100)


def test_tiles_are_cut_before_anything_is_made_smaller() -> None:
    parts = cut(NOISE, Cutting(tile=100, tile_limit=4, max_side=50))
    assert len(parts) == 4
    assert {part.shape for _, _, part in parts} == {(50, 50)}


@pytest.mark.parametrize("cutting", [Cutting(), Cutting(tile=64), Cutting(max_side=80)])
def test_inputs_of_an_image_are_the_fitted_parts_that_curate_stores(cutting: Cutting) -> None:
    preprocessing = Preprocessing(size=32, **dict(cutting))
    stored = np.stack([fit(part, 32, 1) for _, _, part in cut(NOISE, cutting)])
    np.testing.assert_array_equal(preprocessing.inputs(NOISE), stored)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 8"):
        Cutting(tile=4)
