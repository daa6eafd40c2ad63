"""The bootstrap draws subjects, pairs models, and says where it knows nothing."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medfm_cli.metrics import (
    SCORERS,
    Cases,
    Comparison,
    Resampler,
    estimate,
    interval,
    make_cases,
    per_class,
    unseen_error,
)
from medfm_cli.metrics import bootstrap as module


def noisy(seed: int, *, n: int, strength: float, repeats: int = 1) -> Cases:
    """n subjects with `repeats` identical images each; class 1 scores higher by `strength`."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 2, n)
    score = 1 / (1 + np.exp(-(generator.normal(size=n) + strength * (truth - 0.5))))
    rows = np.repeat(np.arange(n), repeats)
    return make_cases(truth[rows], np.stack([1 - score, score], 1)[rows], subjects=list(rows))


def test_a_subject_brings_all_its_cases_along() -> None:
    subjects = np.array([0, 0, 1, 2, 2, 2])
    for weights in Resampler(subjects, draws=200, seed=3).weights():
        np.testing.assert_array_equal(weights[0], weights[1])
        np.testing.assert_array_equal(weights[3], weights[5])
        np.testing.assert_array_equal(weights[0] + weights[2] + weights[3], 3)


def test_repeating_images_of_the_same_subjects_narrows_nothing() -> None:
    once = estimate(noisy(0, n=60, strength=1.5), ["auc"])["auc"]
    many = estimate(noisy(0, n=60, strength=1.5, repeats=10), ["auc"])["auc"]
    assert many.n == 600
    assert many.subjects == once.subjects == 60
    assert (many.low, many.high) == pytest.approx((once.low, once.high))


def test_draws_do_not_depend_on_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = noisy(1, n=50, strength=1)
    whole = estimate(cases, ["auc", "mcc"])
    monkeypatch.setattr(module, "_BLOCK", 700)
    assert estimate(cases, ["auc", "mcc"]) == whole


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(150):
        cases = noisy(seed, n=80, strength=1.0)
        found = estimate(cases, ["auc"], draws=200, seed=seed)["auc"]
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0.7602 <= found.high  # Φ(1/√2): AUC of two normals one apart
    assert 0.88 <= hits / 150 <= 0.99


def test_draws_without_a_class_are_left_out_and_counted() -> None:
    truth = [0] * 10 + [1] * 2
    score = np.linspace(0.1, 0.9, 12)
    cases = make_cases(truth, np.stack([1 - score, score], 1))
    found = estimate(cases, ["auc", "accuracy"])
    lacking = (10 / 12) ** 12 + (2 / 12) ** 12
    assert found["auc"].used == pytest.approx(1000 * (1 - lacking), abs=40)
    assert found["auc"].low == 1.0
    assert found["accuracy"].used == 1000


def test_no_interval_where_most_draws_are_undefined_or_subjects_are_few() -> None:
    assert interval(np.array([np.nan, np.nan, 1.0])) == (None, None, 1)
    lonely = make_cases([0, 1, 1], np.full((3, 2), 0.5), subjects=["a", "b", "b"])
    found = estimate(lonely, ["accuracy"])["accuracy"]
    assert found.value == pytest.approx(1 / 3)
    assert (found.low, found.high) == (None, None)
    assert found.text() == "0.33 [–]"


def test_an_undefined_metric_has_no_value_and_no_interval() -> None:
    one_class = make_cases([1, 1], np.array([[0.4, 0.6], [0.3, 0.7]]))
    found = estimate(one_class, ["auc"])["auc"]
    assert (found.value, found.low, found.used) == (None, None, 0)
    assert found.text() == "–"


def test_paired_differences_are_narrower_than_unpaired_ones() -> None:
    base = noisy(5, n=200, strength=1.2)
    better = base.probabilities + np.where(base.truth == 1, 0.05, -0.05)[:, None] * [[-1, 1]]
    model = make_cases(base.truth, better, subjects=base.subjects)
    both = Comparison({"model": model, "base": base}, metrics=["auc"])
    delta = both.difference("model", "base", "auc")
    own = both.estimate("base", "auc")
    assert delta.low is not None
    assert delta.high is not None
    assert own.low is not None
    assert own.high is not None
    assert delta.high - delta.low < 0.5 * (own.high - own.low)
    assert delta.verdict == "gain"
    assert both.difference("base", "model", "auc").verdict == "loss"
    assert both.difference("base", "base", "auc").verdict == "no gain"
    assert both.difference("base", "base", "auc").text() == "+0.000 [+0.000, +0.000]"


def test_lower_is_better_for_brier() -> None:
    base = noisy(6, n=100, strength=2)
    sure = make_cases(base.truth, np.eye(2)[base.truth] * 0.9 + 0.05, subjects=base.subjects)
    both = Comparison({"sure": sure, "base": base}, metrics=["brier"])
    difference = both.difference("sure", "base", "brier")
    assert difference.delta is not None
    assert difference.delta < 0
    assert difference.verdict == "gain"
    assert difference.to_json()["verdict"] == "gain"


def test_other_cases_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="same cases"):
        Comparison({"a": noisy(0, n=20, strength=1), "b": noisy(1, n=20, strength=1)}, metrics=[])
    with pytest.raises(ValueError, match="unknown metric 'aucc'"):
        estimate(noisy(0, n=20, strength=1), ["aucc"])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_renaming_and_reordering_subjects_keeps_the_point_and_the_counts(seed: int) -> None:
    cases = noisy(seed, n=30, strength=1, repeats=2)
    names = [f"patient {code}" for code in cases.subjects]
    renamed = make_cases(cases.truth, cases.probabilities, subjects=names)
    assert estimate(renamed, ["auc"], draws=50) == estimate(cases, ["auc"], draws=50)


def test_the_class_scores_of_few_subjects_have_no_interval() -> None:
    truth = [0] * 8 + [1] * 3
    score = np.linspace(0.1, 0.9, 11)
    rare, common = per_class(make_cases(truth, np.stack([score, 1 - score], 1)))[::-1]
    assert (rare.subjects, rare.sensitivity.low, rare.auc.low) == (3, None, None)
    assert rare.specificity.low is not None
    assert common.sensitivity.low is not None
    assert common.specificity.low is None


def test_unseen_error_is_about_three_over_n() -> None:
    assert unseen_error(100) == pytest.approx(0.0295, abs=1e-4)
    assert unseen_error(1) == pytest.approx(0.95)


def test_eight_models_are_scored_within_seconds() -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 4, 1000)
    subjects = generator.integers(0, 500, 1000)
    models = {
        str(i): make_cases(truth, generator.dirichlet(np.ones(4), 1000), subjects=list(subjects))
        for i in range(8)
    }
    start = time.process_time()
    Comparison(models, metrics=list(SCORERS))
    assert time.process_time() - start < 20  # about 3 s; the limit allows for a loaded machine
