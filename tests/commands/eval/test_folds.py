"""Folds of subjects: nobody is torn apart, no training side lacks a class, and always the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from medfm_cli.commands.eval.folds import make_folds
from medfm_cli.errors import DataError
from medfm_cli.scoring.images import LabelledImages


def images_of(subjects: list[list[int]], classes: int) -> LabelledImages:
    """Labelled images from the labels of each subject's images."""
    truth = np.array([label for labels in subjects for label in labels], dtype=np.int64)
    owners = [f"s{number:03d}" for number, labels in enumerate(subjects) for _ in labels]
    count = np.arange(len(truth))
    return LabelledImages(
        rows=count,
        image=count,
        ids=[f"{i:016x}" for i in count],
        subjects=owners,
        splits=["train"] * len(truth),
        truth=truth,
        classes=tuple("abcdefgh"[:classes]),
    )


def one_class_each(*subjects: int) -> LabelledImages:
    """`subjects[c]` subjects of class c, two images each."""
    each = [[label, label] for label, number in enumerate(subjects) for _ in range(number)]
    return images_of(each, len(subjects))


people = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=4, max_size=40)


@settings(max_examples=150)
@given(people, st.sampled_from(["auto", 2, 3, 5]), st.integers(0, 20))
def test_every_subject_is_tested_once_by_methods_that_know_every_class(
    subjects: list[list[int]], wanted: object, seed: int
) -> None:
    images = images_of(subjects, 4)
    try:
        folds = make_folds(images, wanted, seed=seed)  # type: ignore[arg-type]
    except DataError:
        assume(False)
    of = {}
    for subject, fold in zip(images.subjects, folds.of_image, strict=True):
        assert of.setdefault(subject, fold) == fold
    present = set(images.truth.tolist())
    for fold in range(folds.count):
        test, train = folds.test(fold), folds.train(fold)
        assert len(test)
        assert set(images.truth[train].tolist()) == present
        assert len(test) + len(train) == len(images)
    tested = {images.classes[label] for label in images.truth[folds.tested]}
    assert tested.isdisjoint(folds.untested)
    assert tested | set(folds.untested) == {images.classes[label] for label in present}


def test_the_eighteen_patients_of_the_quickstart() -> None:
    images = one_class_each(6, 4, 6, 2)  # CT, MR, US, CR
    folds = make_folds(images, "auto", seed=0)
    assert (folds.count, folds.untested) == (5, [])
    assert len(folds.tested) == len(images)
    sizes = [len(folds.test(fold)) // 2 for fold in range(5)]
    assert sorted(sizes) == [3, 3, 4, 4, 4]
    radiographs = [fold for fold in range(5) if 3 in images.truth[folds.test(fold)]]
    assert len(radiographs) == 2


def test_a_class_with_one_subject_stays_in_training() -> None:
    folds = make_folds(one_class_each(4, 4, 1), "auto", seed=0)
    assert folds.untested == ["c"]
    assert (folds.of_image == -1).sum() == 2


def test_what_goes_with_a_lone_subject_may_leave_another_alone() -> None:
    # c is held by the first only, who is one of the two that have b
    images = images_of([[2, 1], [1], [0], [0], [3], [3]], 4)
    folds = make_folds(images, "auto", seed=0)
    assert folds.untested == ["b", "c"]
    assert (folds.of_image == -1).sum() == 3


def test_the_same_images_and_seed_give_the_same_folds() -> None:
    images = one_class_each(10, 8, 5)
    one, two, other = (make_folds(images, "auto", seed=seed).of_image for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def test_folds_are_alike_in_their_classes() -> None:
    images = one_class_each(50, 25, 10)
    folds = make_folds(images, 5, seed=3)
    counts = np.array([images.counts(folds.test(fold)) for fold in range(5)]) / 2
    np.testing.assert_array_equal(counts, [[10, 5, 2]] * 5)


@pytest.mark.parametrize(
    ("images", "wanted", "fault"),
    [
        (one_class_each(5, 1), "auto", "two classes with two subjects"),
        (one_class_each(3, 3), 7, "6 subjects do not suffice for 7 folds"),
    ],
)
def test_too_few_subjects_are_refused(images: LabelledImages, wanted: object, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        make_folds(images, wanted, seed=0)  # type: ignore[arg-type]
