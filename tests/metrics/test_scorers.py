"""Every metric against scikit-learn, against values worked by hand, and under what must not
change it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from medfm_cli.metrics import SCORERS, Cases, confusion_matrix, make_cases, per_class, reliability
from medfm_cli.metrics.weighting import unit

QUICK = settings(max_examples=40, deadline=None)


def score(cases: Cases, metric: str) -> float:
    return unit(SCORERS[metric].prepare(cases), cases.n)


def random_cases(seed: int, *, n: int = 60, k: int = 4, ties: bool = False) -> Cases:
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(n, k))
    if ties:
        logits = np.round(logits)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    # In 2^-20ths: rows sum to exactly 1, and ties are ties, not apart by a last bit.
    probabilities = np.round(probabilities * 2**20) / 2**20
    probabilities[:, 0] += 1 - probabilities.sum(axis=1)
    truth = np.concatenate([np.arange(k), generator.integers(0, k, n - k)])
    return make_cases(truth, probabilities, subjects=generator.integers(0, n // 2, n))


cases_of = st.builds(
    random_cases,
    st.integers(0, 10_000),
    n=st.integers(12, 80),
    k=st.integers(2, 5),
    ties=st.booleans(),
)


@QUICK
@given(cases_of)
def test_equals_scikit_learn(cases: Cases) -> None:
    y, p, d = cases.truth, cases.probabilities, cases.predicted
    if cases.n_classes == 2:
        expected_auc = sk.roc_auc_score(y, p[:, 1])
        expected_brier = sk.brier_score_loss(y, p[:, 1])
    else:
        expected_auc = sk.roc_auc_score(y, p, multi_class="ovr", average="macro")
        expected_brier = sk.brier_score_loss(y, p)
    assert score(cases, "auc") == pytest.approx(expected_auc, abs=1e-12)
    assert score(cases, "brier") == pytest.approx(expected_brier, abs=1e-12)
    assert score(cases, "accuracy") == pytest.approx(sk.accuracy_score(y, d))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert score(cases, "balanced_accuracy") == pytest.approx(sk.balanced_accuracy_score(y, d))
    assert score(cases, "mcc") == pytest.approx(sk.matthews_corrcoef(y, d), abs=1e-12)
    np.testing.assert_array_equal(
        confusion_matrix(cases), sk.confusion_matrix(y, d, labels=range(cases.n_classes))
    )


@QUICK
@given(cases_of, st.integers(0, 1000))
def test_a_whole_number_weight_is_a_repeated_case(cases: Cases, seed: int) -> None:
    weights = np.random.default_rng(seed).integers(0, 4, cases.n)
    weights[: cases.n_classes] = 1  # every class stays
    rows = np.repeat(np.arange(cases.n), weights)
    repeated = cases.take(rows)
    for name, scorer in SCORERS.items():
        weighted = scorer.prepare(cases)(weights[:, None].astype(float))[0]
        assert weighted == pytest.approx(score(repeated, name), abs=1e-12), name


@QUICK
@given(cases_of, st.integers(0, 1000))
def test_the_order_of_the_cases_does_not_matter(cases: Cases, seed: int) -> None:
    shuffled = cases.take(np.random.default_rng(seed).permutation(cases.n))
    for name in SCORERS:
        assert score(shuffled, name) == pytest.approx(score(cases, name), abs=1e-12), name


@QUICK
@given(cases_of, st.integers(0, 1000))
def test_the_numbering_of_the_classes_does_not_matter(cases: Cases, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(cases.n_classes)
    place = np.argsort(order)
    relabelled = make_cases(
        place[cases.truth], cases.probabilities[:, order], predicted=place[cases.predicted]
    )
    for name in SCORERS:
        if name == "ece":  # it looks at the first of equally probable classes
            continue
        assert score(relabelled, name) == pytest.approx(score(cases, name), abs=1e-9), name


@QUICK
@given(cases_of)
def test_auc_sees_the_ranks_only(cases: Cases) -> None:
    stretched = make_cases(cases.truth, np.exp(3 * cases.probabilities) - 7)
    assert score(stretched, "auc") == pytest.approx(score(cases, "auc"), abs=1e-12)


def test_auc_by_hand() -> None:
    # Positives .9 and .5, negatives .5 and .1: three pairs won, one tied.
    scores = np.array([0.9, 0.5, 0.5, 0.1])
    cases = make_cases([1, 1, 0, 0], np.stack([1 - scores, scores], axis=1))
    assert score(cases, "auc") == pytest.approx(3.5 / 4)


def test_mcc_by_hand_and_of_constant_decisions() -> None:
    # TP 3, FN 1, FP 2, TN 4: (12 - 2) / sqrt(5 * 4 * 6 * 5)
    truth = [1] * 4 + [0] * 6
    decided = np.array([1, 1, 1, 0, 1, 1, 0, 0, 0, 0])
    cases = make_cases(truth, np.full((10, 2), 0.5), predicted=decided)
    assert score(cases, "mcc") == pytest.approx(10 / np.sqrt(600))
    assert score(cases.decided(np.zeros(10, dtype=np.int64)), "mcc") == 0.0


def test_one_class_only_is_undefined_not_a_number() -> None:
    cases = make_cases([1, 1, 1], np.array([[0.2, 0.8], [0.6, 0.4], [0.1, 0.9]]))
    assert np.isnan(score(cases, "auc"))
    assert np.isnan(score(cases, "mcc"))
    assert score(cases, "accuracy") == pytest.approx(2 / 3)
    assert score(cases, "balanced_accuracy") == pytest.approx(2 / 3)


def test_a_class_that_no_case_has_is_left_out_of_the_means() -> None:
    three = random_cases(1, k=3)
    padded = np.concatenate([three.probabilities, np.zeros((three.n, 1))], axis=1)
    four = make_cases(three.truth, padded, classes=["a", "b", "c", "never"])
    for name in ("auc", "balanced_accuracy", "mcc", "accuracy"):
        assert score(four, name) == pytest.approx(score(three, name)), name


def test_ece_and_reliability_by_hand() -> None:
    confidence = np.array([0.95, 0.92, 0.65, 0.70])
    right = [True, False, True, True]
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    cases = make_cases([0 if ok else 1 for ok in right], probabilities)
    # bin (.9, 1]: confidence .935 beside .5 right; bin (.6, .7]: .675 beside 1.
    assert score(cases, "ece") == pytest.approx((2 * 0.435 + 2 * 0.325) / 4)
    low, high = reliability(cases)
    assert (low.n, high.n) == (2, 2)
    assert low.confidence == pytest.approx(0.675)
    assert high.accuracy == pytest.approx(0.5)
    assert (high.low, high.high) == (0.9, 1.0)


def test_per_class_counts_and_values() -> None:
    truth = [0, 0, 1, 1, 2]
    decided = np.array([0, 1, 1, 1, 0])
    probabilities = np.eye(3)[decided] * 0.8 + 0.2 / 3
    cases = make_cases(truth, probabilities, subjects=["a", "a", "b", "c", "d"], classes="xyz")
    x, y, z = per_class(cases, draws=50)
    assert (x.name, x.n, x.subjects) == ("x", 2, 1)
    assert x.sensitivity.value == 0.5
    assert x.specificity.value == pytest.approx(2 / 3)
    assert y.sensitivity.value == 1.0
    assert z.sensitivity.value == 0.0
    assert z.auc.value == 0.5  # no case was given to z: all scores are tied


def test_per_class_of_an_absent_class_is_empty() -> None:
    cases = make_cases([0, 1], np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1]]))
    absent = per_class(cases, draws=20)[2]
    assert absent.n == 0
    assert absent.sensitivity.value is None
    assert absent.auc.text() == "–"


@pytest.mark.parametrize(
    ("truth", "probabilities", "fault"),
    [
        ([], np.zeros((0, 2)), "no cases"),
        ([0, 2], np.full((2, 2), 0.5), "outside the classes"),
        ([0], np.full((2, 2), 0.5), "do not fit"),
        ([0, 1], np.array([[0.5, np.nan], [0.5, 0.5]]), "not finite"),
    ],
)
def test_malformed_cases_are_refused(
    truth: list[int], probabilities: np.ndarray, fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        make_cases(truth, probabilities)
