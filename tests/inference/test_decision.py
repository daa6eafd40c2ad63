"""Decisions: label and called classes never contradict each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfm_cli.inference.decision import Decision, decide

CLASSES = ("normal", "nodule", "effusion")


def single(points: dict[str, float], **probabilities: float) -> Decision:
    return decide(probabilities, points, several=False)


def test_a_sure_label_is_called() -> None:
    assert single({"b": 0.7}, a=0.2, b=0.8) == Decision("b", ["b"], "")
    assert single({}, a=0.2, b=0.8) == Decision("b", ["b"], "")


def test_below_its_operating_point_no_class_is_called() -> None:
    note = "low confidence: below the operating point 0.70 of b"
    assert single({"b": 0.7}, a=0.4, b=0.6) == Decision("b", [], note)
    assert single({}, a=0.4, b=0.3, c=0.3).called == []
    assert "a has no operating point and is below 0.50" in single({}, a=0.4, b=0.3, c=0.3).note


def test_of_two_classes_the_point_of_one_counts_for_the_other() -> None:
    """The usual bundle of two classes has one point, that of the disease."""
    found = single({"disease": 0.3}, normal=0.6, disease=0.4)
    assert found == Decision("normal", [], "disease (0.40) reaches its operating point 0.30")
    assert single({"disease": 0.3}, normal=0.8, disease=0.2) == Decision("normal", ["normal"], "")


def test_a_rare_class_beside_the_label_is_not_called() -> None:
    points = {"rare": 0.2, "usual": 0.4}
    assert single(points, usual=0.6, rare=0.25, other=0.15) == Decision("usual", ["usual"], "")
    found = single({"rare": 0.2, "usual": 0.9}, usual=0.6, rare=0.25, other=0.15)
    assert (found.label, found.called) == ("usual", [])
    assert found.note == (
        "low confidence: below the operating point 0.90 of usual; "
        "rare (0.25) reaches its operating point 0.20"
    )


def test_several_labels_may_be_called_or_none() -> None:
    points = {"nodule": 0.2, "effusion": 0.9}
    both = {"normal": 0.1, "nodule": 0.3, "effusion": 0.8}
    assert decide(both, points, several=True) == Decision("nodule", ["nodule"], "")
    none = {"normal": 0.1, "nodule": 0.1, "effusion": 0.8}
    note = "no class reaches its operating point"
    assert decide(none, points, several=True) == Decision(None, [], note)


@pytest.mark.parametrize("count", [2, 3])
@given(data=st.data())
def test_label_and_called_agree(count: int, data: st.DataObject) -> None:
    share = st.floats(0, 1)
    raw = data.draw(st.lists(share, min_size=count, max_size=count).filter(lambda v: sum(v) > 0))
    classes = CLASSES[:count]
    probabilities = dict(zip(classes, (np.array(raw) / sum(raw)).tolist(), strict=True))
    points = data.draw(st.dictionaries(st.sampled_from(classes), share))
    found = decide(probabilities, points, several=False)
    assert probabilities[found.label or ""] == max(probabilities.values())
    assert found.called in ([], [found.label])
    assert found.called or found.note
    several = decide(probabilities, points, several=True)
    assert (several.label is None) == (several.called == []) == bool(several.note)
    assert several.label is None or several.label in several.called
