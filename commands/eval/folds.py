"""Stratified folds of subjects, the same for the same data and seed."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medfm_cli.data.samplers import epoch_order
from medfm_cli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from medfm_cli.recipe import Auto
    from medfm_cli.scoring.images import LabelledImages

MAX_FOLDS = 5
ATTEMPTS = 50
ALWAYS_TRAIN = -1


@dataclass(frozen=True, eq=False)
class Folds:
    """The fold that tests each image.

    Attributes:
        of_image: int64 [M]; −1 for images that train in every fold and are never tested.
        count: the number of folds.
        why: the reason for the number.
        untested: classes with a single subject: a fold that tests it could not train on it.
    """

    of_image: NDArray[np.int64]
    count: int
    why: str
    untested: list[str]

    def train(self, fold: int) -> NDArray[np.int64]:
        """The images that train while `fold` is tested."""
        return np.flatnonzero(self.of_image != fold)

    def test(self, fold: int) -> NDArray[np.int64]:
        """The images of a fold."""
        return np.flatnonzero(self.of_image == fold)

    @property
    def tested(self) -> NDArray[np.int64]:
        """All images that some fold tests, in their order."""
        return np.flatnonzero(self.of_image != ALWAYS_TRAIN)


def make_folds(images: LabelledImages, count: int | Auto, *, seed: int) -> Folds:
    """Assign the subjects to folds so that every training set has every class.

    Predictions of all folds are pooled and scored together, so a fold need not contain every
    class; but no fold may contain all subjects of a class. A class with two subjects therefore
    allows five folds as well as two. A class with one subject is always in the training set,
    together with all images of that subject.

    Raises:
        DataError: fewer than two classes have two subjects, or more folds than subjects.
    """
    classes_of = _classes_of(images)
    kept, untested = _testable(classes_of, len(images.classes))
    if len({label for subject in kept for label in classes_of[subject]}) < 2:
        raise DataError(
            "cross-validation needs at least two classes with two subjects each",
            hint="add subjects; these data do not allow an evaluation",
        )
    number, why = _number(count, len(kept))
    fold_of = _assign(kept, classes_of, number, seed=seed)
    of_image = np.array([fold_of.get(s, ALWAYS_TRAIN) for s in images.subjects], dtype=np.int64)
    return Folds(of_image, number, why, [images.classes[label] for label in untested])


def _number(count: int | Auto, subjects: int) -> tuple[int, str]:
    if count == "auto":
        return min(MAX_FOLDS, subjects), f"at most {MAX_FOLDS}, for {subjects} subjects"
    if count > subjects:
        raise DataError(
            f"{subjects} subjects do not suffice for {count} folds",
            hint=f"set folds to {subjects} or less",
        )
    return count, "as configured"


def _classes_of(images: LabelledImages) -> dict[str, Counter[int]]:
    """The number of images of each class, by subject."""
    counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for subject, label in zip(images.subjects, images.truth.tolist(), strict=True):
        counts[subject][label] += 1
    return dict(counts)


def _testable(classes_of: dict[str, Counter[int]], classes: int) -> tuple[list[str], list[int]]:
    """The subjects that can be tested, and the classes that cannot.

    A subject that is the only one of a class is always in training, with all of its images; this
    may leave another class with one subject.
    """
    kept = sorted(classes_of)
    while True:
        holders = _holders(kept, classes_of)
        lone = {label for label, number in holders.items() if number == 1}
        stay = [subject for subject in kept if not lone & classes_of[subject].keys()]
        if len(stay) == len(kept):
            present = {label for counts in classes_of.values() for label in counts}
            return kept, [c for c in range(classes) if c in present and c not in holders]
        kept = stay


def _assign(
    subjects: list[str], classes_of: dict[str, Counter[int]], count: int, *, seed: int
) -> dict[str, int]:
    """Assign until no fold contains all subjects of a class."""
    best: dict[str, int] = {}
    for attempt in range(ATTEMPTS):
        best = _assign_once(subjects, classes_of, count, seed=seed + attempt)
        if _every_class_is_spread(best, classes_of):
            return best
    raise DataError(
        f"the subjects cannot be assigned to {count} folds so that every training set has all "
        "classes",
        hint="use fewer folds, or protocol=holdout",
    )


def _assign_once(
    subjects: list[str], classes_of: dict[str, Counter[int]], count: int, *, seed: int
) -> dict[str, int]:
    """Assign each subject, rarest class first, to the fold with the fewest of that class.

    Ties go to the fold with fewer subjects, then with fewer images; subjects with the same classes
    are sorted randomly by the seed.
    """
    holders = _holders(subjects, classes_of)
    shuffled = [subjects[index] for index in epoch_order(len(subjects), seed=seed, epoch=0)]
    rarest = {s: min(classes_of[s], key=lambda label: (holders[label], label)) for s in subjects}
    order = sorted(shuffled, key=lambda s: (holders[rarest[s]], rarest[s], -_size(classes_of[s])))
    load: list[Counter[str | int]] = [Counter() for _ in range(count)]
    fold_of = {}
    for subject in order:
        label = rarest[subject]
        fold = min(
            range(count),
            key=lambda f: (load[f][label], load[f]["subjects"], load[f]["images"], f),
        )
        fold_of[subject] = fold
        load[fold].update(dict.fromkeys(classes_of[subject], 1))
        load[fold].update({"subjects": 1, "images": _size(classes_of[subject])})
    return fold_of


def _every_class_is_spread(fold_of: dict[str, int], classes_of: dict[str, Counter[int]]) -> bool:
    folds: defaultdict[int, set[int]] = defaultdict(set)
    for subject, fold in fold_of.items():
        for label in classes_of[subject]:
            folds[label].add(fold)
    return all(len(numbers) > 1 for numbers in folds.values())


def _holders(subjects: Iterable[str], classes_of: dict[str, Counter[int]]) -> Counter[int]:
    """The number of subjects with images of each class."""
    return Counter(label for subject in subjects for label in classes_of[subject])


def _size(counts: Counter[int]) -> int:
    return sum(counts.values())
