"""Thresholds by the highest MCC, compared with trying every one of them."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from medfm_cli.metrics import best_threshold, class_thresholds, decide, make_cases


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 60), st.booleans())
def test_no_threshold_is_better(seed: int, n: int, ties: bool) -> None:
    generator = np.random.default_rng(seed)
    positive = generator.random(n) < 0.4
    positive[:2] = True, False
    score = generator.random(n).round(1 if ties else 12)
    found = best_threshold(positive, score)
    assert found is not None
    tried = [sk.matthews_corrcoef(positive, score >= cut) for cut in np.unique(score)]
    assert found.mcc == pytest.approx(max(tried), abs=1e-12)
    assert sk.matthews_corrcoef(positive, score >= found.value) == pytest.approx(found.mcc)


def test_the_threshold_lies_between_the_classes() -> None:
    found = best_threshold(np.array([False, False, True, True]), np.array([0.1, 0.2, 0.6, 0.9]))
    assert found is not None
    assert found.value == pytest.approx(0.4)
    assert (found.mcc, found.positives, found.negatives) == (1.0, 2, 2)


def test_neighbouring_floats_do_not_flip_a_case() -> None:
    low = 0.3
    high = float(np.nextafter(low, 1))
    found = best_threshold(np.array([False, True]), np.array([low, high]))
    assert found is not None
    assert low < found.value <= high


def test_one_side_missing_gives_none() -> None:
    assert best_threshold(np.array([True, True]), np.array([0.2, 0.4])) is None


def test_class_thresholds_by_name() -> None:
    two = make_cases([0, 1], np.array([[0.9, 0.1], [0.2, 0.8]]), classes=["well", "ill"])
    assert list(class_thresholds(two)) == ["ill"]
    three = make_cases([0, 1], np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]), classes="xyz")
    found = class_thresholds(three)
    assert list(found) == ["x", "y", "z"]
    assert found["z"] is None
    with pytest.raises(ValueError, match="two classes"):
        decide(three, 0.5)


def test_deciding_at_a_threshold() -> None:
    cases = make_cases([0, 1, 1], np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]]))
    assert cases.predicted.tolist() == [0, 0, 1]
    assert decide(cases, 0.3).predicted.tolist() == [0, 1, 1]
