"""Recall of images by texts, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from medfm_cli.commands.pretrain.objectives.retrieval import Vectors, recall

EYE = np.eye(4, dtype=np.float32)
NUMBERS = np.arange(4)


def test_what_belongs_together_is_found_and_what_is_swapped_comes_second() -> None:
    assert Vectors(EYE, EYE, NUMBERS).hits("image_to_text", 1).all()
    swapped = Vectors(EYE, EYE[[1, 0, 2, 3]] + 0.1 * EYE, NUMBERS)
    for direction in ("image_to_text", "text_to_image"):
        assert swapped.hits(direction, 1).tolist() == [False, False, True, True]
        assert swapped.hits(direction, 2).all()


def test_vectors_that_are_all_the_same_find_nothing() -> None:
    same = np.ones((4, 2), np.float32)
    assert not Vectors(same, same, NUMBERS).hits("image_to_text", 3).any()


def test_a_text_that_reads_the_same_is_right_too() -> None:
    vectors = Vectors(EYE, EYE[[1, 0, 2, 3]], np.array([7, 7, 2, 3]))
    assert vectors.hits("image_to_text", 1).all()
    assert vectors.chance(1) == pytest.approx((2 / 4 + 2 / 4 + 1 / 4 + 1 / 4) / 4)


def test_chance_is_that_of_random_orders() -> None:
    vectors = Vectors(EYE, EYE, np.array([0, 0, 1, 2]))
    generator = np.random.default_rng(0)
    for k in (1, 2, 4):
        orders = np.argsort(generator.random((4000, 4, 4)), axis=2)[..., :k]
        found = np.take_along_axis(
            np.broadcast_to(vectors.same, (*orders.shape[:1], 4, 4)), orders, 2
        )
        assert vectors.chance(k) == pytest.approx(found.any(axis=2).mean(), abs=0.01)


def test_intervals_are_over_subjects() -> None:
    hits = np.repeat([True, False] * 5, 10)
    one_each = recall(hits, np.arange(100), k=1)
    ten_each = recall(hits, np.repeat(np.arange(10), 10), k=1)
    assert one_each.value == ten_each.value == 0.5
    assert one_each.high is not None and one_each.low is not None
    assert ten_each.high is not None and ten_each.low is not None
    assert ten_each.high - ten_each.low > 2 * (one_each.high - one_each.low)
