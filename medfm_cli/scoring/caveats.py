"""What must be said beside a score so that nobody reads more into it than it holds."""

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
_WORDS = {
    "gain": "a gain",
    "loss": "worse",
    "no gain": "no gain (the interval holds zero)",
    "undecided": "not decided (too few subjects for an interval)",
}
_KINDS: dict[str, CalloutKind] = {"gain": "good", "loss": "warn"}


def size_remark(cases: Cases, *, of: str = "test set") -> Callout:
    """How large the scored set is, and what that means."""
    subjects = cases.n_subjects
    sizes = f"The {of} holds {_count(cases.n, 'image')} of {_count(subjects, 'subject')}"
    classes = "; ".join(_class_size(cases, index) for index in range(cases.n_classes))
    text = f"{sizes} ({classes})."
    if subjects >= SMALL:
        return Callout("note", text)
    return Callout(
        "warn",
        f"{text} This is small: an error that befalls {unseen_error(subjects):.0%} of people "
        f"could go unseen in {_count(subjects, 'subject')}. The numbers show that the machinery "
        "works and how the methods compare; they are no claim about patients elsewhere.",
    )


def draws_remark(estimates: Mapping[str, Estimate]) -> Callout | None:
    """How many bootstrap draws lacked a class, if any did."""
    lacking = [each for each in estimates.values() if each.used < each.draws]
    if not lacking:
        return None
    worst = min(lacking, key=lambda each: each.used)
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


def perfect_remark(method: str, estimates: Mapping[str, Estimate]) -> Callout | None:
    """Why an interval without width is no certainty."""
    flawless = [
        each
        for name, each in estimates.items()
        if name in ("auc", "accuracy", "balanced_accuracy", "mcc") and each.low == each.high == 1
    ]
    if not flawless:
        return None
    subjects = flawless[0].subjects
    return Callout(
        "note",
        f"{method} makes no mistake here, so the bootstrap finds none to draw and its interval has "
        f"no width. That is no proof: with {_count(subjects, 'subject')} an error rate of up to "
        f"{unseen_error(subjects):.0%} cannot be ruled out (95 %).",
    )


def absent_remark(cases: Cases, *, of: str = "test set") -> Callout | None:
    """Which classes cannot be scored because no image has them."""
    absent = [name for i, name in enumerate(cases.classes) if i not in cases.present()]
    if not absent:
        return None
    return Callout(
        "warn",
        f"The {of} has no image of {', '.join(absent)}: nothing is known about "
        f"{'it' if len(absent) == 1 else 'them'} here, and the means run over the other classes.",
    )


def gain_remark(difference: Difference, *, label: str) -> Callout:
    """One comparison in a sentence, `no gain` said plainly."""
    return Callout(
        _KINDS.get(difference.verdict, "note"),
        f"{difference.model} beside {difference.baseline}: {label} {difference.text()} on the same "
        f"{_count(difference.n, 'image')} of {_count(difference.subjects, 'subject')}: "
        f"{_WORDS[difference.verdict]}.",
    )


def verdict(difference: Difference) -> str:
    """`a gain`, `no gain: the interval holds zero`, …"""
    return _WORDS[difference.verdict]


def _class_size(cases: Cases, index: int) -> str:
    inside = cases.truth == index
    owners = len(np.unique(cases.subjects[inside]))
    return f"{cases.classes[index]}: {_count(int(inside.sum()), 'image')} of {owners}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
