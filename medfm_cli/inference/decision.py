"""What a classifier's probabilities say: one label that never contradicts its operating points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision for one file.

    Attributes:
        label: the most probable class; of several labels the most probable of `called`, or None.
        called: the classes that reach their operating points; of single labels `label` or none.
        note: why the decision is uncertain, or "".
    """

    label: str | None
    called: list[str]
    note: str


def decide(
    probabilities: Mapping[str, float], points: Mapping[str, float], *, several: bool
) -> Decision:
    """Decide by probabilities and operating points.

    Args:
        probabilities: of every class.
        points: the threshold of each class that has one; 0.5 for the others. With two exclusive
            classes, the point of one is a point of the other, too.
        several: whether a case may have several labels (or none).
    """
    reached = [name for name, p in probabilities.items() if p >= points.get(name, 0.5)]
    if several:
        label = max(reached, key=lambda name: probabilities[name], default=None)
        return Decision(label, reached, "" if reached else "no class reaches its operating point")
    label = max(probabilities, key=lambda name: probabilities[name])
    rivals = [name for name in reached if name != label and name in points]
    sure = label in reached and not (rivals and len(probabilities) == 2 and label not in points)
    if sure:
        return Decision(label, [label], "")
    return Decision(label, [], _doubt(label, probabilities, points, rivals))


def _doubt(
    label: str, probabilities: Mapping[str, float], points: Mapping[str, float], rivals: list[str]
) -> str:
    """Why a single label is uncertain."""
    notes = []
    if label in points and probabilities[label] < points[label]:
        notes.append(f"low confidence: below the operating point {points[label]:.2f} of {label}")
    elif label not in points and probabilities[label] < 0.5:
        notes.append(f"low confidence: {label} has no operating point and is below 0.50")
    notes += [
        f"{name} ({probabilities[name]:.2f}) reaches its operating point {points[name]:.2f}"
        for name in rivals
    ]
    return "; ".join(notes)
