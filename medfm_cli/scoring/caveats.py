"""Notes and warnings beside a score, so that a reader does not overrate it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.metrics import SCORERS, unseen_error
from medfm_cli.runs import Callout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medfm_cli.metrics import Cases, Difference, Estimate
    from medfm_cli.runs.blocks import CalloutKind

SMALL = 100
"""Subjects below which a table of scores is preceded by a warning."""
_VERDICTS = {
    "gain": "a gain",
    "loss": "worse",
    "no gain": "no gain (the interval includes zero)",
    "undecided": "undecided (too few subjects for an interval)",
}
_KINDS: dict[str, CalloutKind] = {"gain": "good", "loss": "warn"}


def sample_size(cases: Cases, *, of: str = "test set") -> Callout:
    """The size of the scored set, and what it means for the scores."""
    subjects = cases.n_subjects
    sizes = f"The {of} has {_count(cases.n, 'image')} of {_count(subjects, 'subject')}"
    classes = "; ".join(_class_size(cases, index) for index in range(cases.n_classes))
    text = f"{sizes} ({classes})."
    if subjects >= SMALL:
        return Callout("note", text)
    return Callout(
        "warn",
        f"{text} This is small: with {_count(subjects, 'subject')}, an error rate of up to "
        f"{unseen_error(subjects):.0%} could be missed by chance. The scores show that the "
        "pipeline works and how the methods compare. Do not generalise them to other patients.",
    )


def undefined_draws(estimates: Mapping[str, Estimate]) -> Callout | None:
    """How many bootstrap draws lack a class, if any do."""
    incomplete = [each for each in estimates.values() if each.used < each.draws]
    if not incomplete:
        return None
    worst = min(incomplete, key=lambda each: each.used)
    label = SCORERS[worst.metric].label
    outcome = (
        f"so there is no interval of {label}"
        if worst.low is None
        else f"and are left out of the interval of {label}"
    )
    return Callout(
        "note",
        f"{worst.draws - worst.used} of {worst.draws} bootstrap draws lack a class {outcome}: "
        "some classes have few subjects.",
    )


def perfect_score(method: str, estimates: Mapping[str, Estimate]) -> Callout | None:
    """Why an interval of zero width is not certainty."""
    perfect = [
        each
        for name, each in estimates.items()
        if name in ("auc", "accuracy", "balanced_accuracy", "mcc") and each.low == each.high == 1
    ]
    if not perfect:
        return None
    subjects = perfect[0].subjects
    return Callout(
        "note",
        f"{method} makes no error on these images, so no bootstrap draw contains one and the "
        f"interval has zero width. This is not certainty: with {_count(subjects, 'subject')}, an "
        f"error rate of up to {unseen_error(subjects):.0%} cannot be ruled out (95 %).",
    )


def absent_classes(cases: Cases, *, of: str = "test set") -> Callout | None:
    """The classes that cannot be scored because they have no image."""
    absent = [name for i, name in enumerate(cases.classes) if i not in cases.present()]
    if not absent:
        return None
    return Callout(
        "warn",
        f"The {of} has no image of {', '.join(absent)}: "
        f"{'this class is' if len(absent) == 1 else 'these classes are'} not scored, and means "
        "are over the other classes.",
    )


def gain(difference: Difference, *, label: str) -> Callout:
    """One comparison in a sentence."""
    return Callout(
        _KINDS.get(difference.verdict, "note"),
        f"{difference.model} compared with {difference.baseline}: {label} {difference.text()} on "
        f"the same {_count(difference.n, 'image')} of {_count(difference.subjects, 'subject')}: "
        f"{_VERDICTS[difference.verdict]}.",
    )


def verdict(difference: Difference) -> str:
    """`a gain`, `no gain (the interval includes zero)`, …"""
    return _VERDICTS[difference.verdict]


def _class_size(cases: Cases, index: int) -> str:
    of_class = cases.truth == index
    subjects = len(np.unique(cases.subjects[of_class]))
    return f"{cases.classes[index]}: {_count(int(of_class.sum()), 'image')} of {subjects}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
