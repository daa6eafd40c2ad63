"""Packing cases and averaging the tiles of an image."""

from __future__ import annotations

import numpy as np

from medfm_cli.metrics import average_by, codes, make_cases


def test_codes_number_by_first_appearance() -> None:
    assert codes(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]


def test_tiles_of_an_image_are_averaged_in_order_of_appearance() -> None:
    probabilities = np.array([[0.2, 0.8], [0.6, 0.4], [0.4, 0.6], [1.0, 0.0]])
    first, mean = average_by(["b", "a", "b", "b"], probabilities)
    assert first.tolist() == [0, 1]
    np.testing.assert_allclose(mean, [[(0.2 + 0.4 + 1) / 3, (0.8 + 0.6) / 3], [0.6, 0.4]])


def test_without_subjects_every_case_stands_alone() -> None:
    cases = make_cases([0, 1, 1], np.full((3, 2), 0.5))
    assert cases.n_subjects == 3
    assert make_cases([0, 1, 1], np.full((3, 2), 0.5), subjects=["x", "y", "x"]).n_subjects == 2
