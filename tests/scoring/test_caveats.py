"""Notes and warnings beside a score."""

from __future__ import annotations

import numpy as np

from medfm_cli.metrics import Cases, Comparison, estimate, make_cases
from medfm_cli.scoring import caveats
from medfm_cli.scoring.tables import MAIN, difference_table, score_table


def cases(*, subjects: int, flawless: bool = False, rare: int | None = None) -> Cases:
    truth = np.arange(subjects) % 2 if rare is None else (np.arange(subjects) < rare).astype(int)
    right = np.eye(2)[truth] * 0.6 + 0.2
    if not flawless:
        right[::3] = right[::3, ::-1]
    return make_cases(truth, right, classes=["well", "ill"])


def test_a_small_set_is_a_caution_and_a_large_one_a_note() -> None:
    small, large = (caveats.sample_size(cases(subjects=n), of="test split") for n in (20, 120))
    assert small.kind == "warn"
    assert "20 images of 20 subjects (well: 10 images of 10; ill: 10 images of 10)" in small.text
    assert "14%" in small.text  # 1 - 0.05 ** (1 / 20)
    assert large.kind == "note"


def test_a_perfect_score_is_no_certainty() -> None:
    perfect = caveats.perfect_score("mae", estimate(cases(subjects=30, flawless=True), MAIN))
    assert perfect is not None
    assert "up to 10%" in perfect.text
    assert caveats.perfect_score("mae", estimate(cases(subjects=30), MAIN)) is None


def test_draws_without_a_class_are_reported() -> None:
    some = caveats.undefined_draws(estimate(cases(subjects=20, rare=2), MAIN))
    assert some is not None
    assert "left out of the interval of" in some.text
    most = caveats.undefined_draws(estimate(cases(subjects=2), MAIN))
    assert most is not None
    assert "no interval of" in most.text
    assert caveats.undefined_draws(estimate(cases(subjects=80), MAIN)) is None


def test_an_absent_class_is_named() -> None:
    two = cases(subjects=6)
    padded = np.concatenate([two.probabilities, np.zeros((6, 1))], axis=1)
    three = make_cases(two.truth, padded, classes=["well", "ill", "unseen"])
    callout = caveats.absent_classes(three)
    assert callout is not None
    assert "no image of unseen" in callout.text
    assert caveats.absent_classes(two) is None


def test_no_gain_is_reported() -> None:
    base, better = cases(subjects=60), cases(subjects=60, flawless=True)
    both = Comparison({"new": better, "old": base}, metrics=["auc"])
    gain, loss, same = (
        caveats.gain(both.difference(one, other, "auc"), label="AUC")
        for one, other in (("new", "old"), ("old", "new"), ("new", "new"))
    )
    assert (gain.kind, loss.kind, same.kind) == ("good", "warn", "note")
    assert gain.text.endswith("a gain.")
    assert "no gain (the interval includes zero)" in same.text
    table = difference_table([both.difference("new", "new", "auc")])
    assert table.rows[0][-1] == "no gain"


def test_tables_carry_n_and_subjects_and_explain_a_missing_interval() -> None:
    table = score_table({"a": estimate(cases(subjects=3), MAIN)}, caption="Scores.")
    assert table.columns[-2:] == ("Images", "Subjects")
    assert table.rows[0][-2:] == (3, 3)
    assert table.caption == "Scores. [–]: too few subjects for an interval."
    full = score_table({"a": estimate(cases(subjects=40), MAIN)}, caption="Scores.")
    assert full.caption == "Scores."
