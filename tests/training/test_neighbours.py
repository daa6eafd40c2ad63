"""Nearest neighbours against scikit-learn, and what must hold whatever the features."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from medfm_cli.training.neighbours import TEMPERATURE, neighbour_probabilities


def features(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 6)).astype(np.float32)


def test_votes_are_those_of_scikit_learn() -> None:
    bank, asked = features(60, 0), features(25, 1)
    labels = np.arange(60) % 3
    reference = KNeighborsClassifier(
        n_neighbors=7,
        metric="cosine",
        algorithm="brute",
        weights=lambda distances: np.exp((1 - distances) / TEMPERATURE),
    ).fit(bank, labels)
    said = neighbour_probabilities(bank, labels, asked, classes=3, neighbours=7)
    np.testing.assert_allclose(said, reference.predict_proba(asked), atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(0, 9), st.integers(1, 40), st.integers(0, 5))
def test_rows_are_probabilities(bank: int, asked: int, neighbours: int, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 4, bank)
    said = neighbour_probabilities(
        features(bank, seed), labels, features(asked, 9), classes=4, neighbours=neighbours
    )
    assert said.shape == (asked, 4)
    np.testing.assert_allclose(said.sum(axis=1), np.ones(asked))
    assert not said[:, np.setdiff1d(np.arange(4), labels)].any(), "no vote for an unseen class"


def test_a_neighbour_that_is_the_same_decides() -> None:
    bank = features(30, 3)
    labels = np.arange(30) % 5
    said = neighbour_probabilities(bank, labels, 4 * bank, classes=5, neighbours=1)
    assert (said.argmax(axis=1) == labels).all(), "length does not count, direction does"


def test_an_empty_bank_is_refused() -> None:
    with pytest.raises(ValueError, match="no reference features"):
        neighbour_probabilities(features(0, 0), np.array([], int), features(2, 0), classes=2)
