"""What every metric is computed from: the truth, the probabilities and whose images they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Cases:
    """Scored cases of a single-label classification, one row a case.

    Attributes:
        truth: int64 [n], the index of the true class.
        probabilities: float64 [n, K], rows summing to one.
        subjects: int64 [n], a code of the subject that each case belongs to (the cluster).
        classes: the K class names, in the order of the columns.
        predicted: int64 [n], the decision; the most probable class unless given.
    """

    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    subjects: NDArray[np.int64]
    classes: tuple[str, ...]
    predicted: NDArray[np.int64]

    @property
    def n(self) -> int:
        """The number of cases."""
        return len(self.truth)

    @property
    def n_subjects(self) -> int:
        """The number of distinct subjects."""
        return len(np.unique(self.subjects))

    @property
    def n_classes(self) -> int:
        """The number of classes of the label schema, whether seen here or not."""
        return len(self.classes)

    def present(self) -> list[int]:
        """The classes that at least one case has, the only ones that can be scored here."""
        return [int(index) for index in np.unique(self.truth)]

    def decided(self, predicted: NDArray[np.int64]) -> Cases:
        """The same cases under another decision rule (a threshold, for instance)."""
        return make_cases(
            self.truth,
            self.probabilities,
            subjects=self.subjects,
            classes=self.classes,
            predicted=predicted,
        )

    def take(self, rows: NDArray[np.int64]) -> Cases:
        """The cases of `rows`."""
        return make_cases(
            self.truth[rows],
            self.probabilities[rows],
            subjects=self.subjects[rows],
            classes=self.classes,
            predicted=self.predicted[rows],
        )


def make_cases(
    truth: Sequence[int] | NDArray[np.int64],
    probabilities: NDArray[np.float64] | NDArray[np.float32],
    *,
    subjects: Sequence[object] | NDArray[np.int64] | None = None,
    classes: Sequence[str] | None = None,
    predicted: NDArray[np.int64] | None = None,
) -> Cases:
    """Check and pack the arrays; without `subjects` every case is its own subject.

    Raises:
        ValueError: shapes disagree, a label is out of range, a probability is not finite.
    """
    labels = np.asarray(truth, dtype=np.int64)
    scores = np.asarray(probabilities, dtype=np.float64)
    if scores.ndim != 2 or len(scores) != len(labels):
        raise ValueError(f"probabilities {scores.shape} do not fit {len(labels)} labels")
    if not len(labels):
        raise ValueError("there are no cases to score")
    if not np.isfinite(scores).all():
        raise ValueError("a probability is not finite")
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError("a label is outside the classes")
    names = tuple(classes) if classes is not None else tuple(map(str, range(scores.shape[1])))
    if len(names) != scores.shape[1]:
        raise ValueError(f"{len(names)} class names for {scores.shape[1]} columns")
    owners = np.arange(len(labels)) if subjects is None else codes(subjects)
    if len(owners) != len(labels):
        raise ValueError(f"{len(owners)} subjects for {len(labels)} labels")
    decision = scores.argmax(axis=1) if predicted is None else np.asarray(predicted, np.int64)
    return Cases(labels, scores, owners, names, decision.astype(np.int64))


def codes(values: Sequence[object] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the distinct values 0, 1, … in the order of their first appearance: int64 [n]."""
    seen: dict[object, int] = {}
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    return np.array([seen.setdefault(value, len(seen)) for value in listed], dtype=np.int64)


def average_by(
    groups: Sequence[object], probabilities: NDArray[np.float64] | NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Average the rows of each group: the probabilities of an image from those of its tiles.

    Returns:
        first: int64 [g], the first row of each group, in order of appearance.
        mean: float64 [g, K].
    """
    group = codes(groups)
    _, first, counts = np.unique(group, return_index=True, return_counts=True)
    total = np.zeros((len(first), probabilities.shape[1]), dtype=np.float64)
    np.add.at(total, group, probabilities.astype(np.float64))
    return first.astype(np.int64), total / counts[:, None]
