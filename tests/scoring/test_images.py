"""Images are the unit of scoring: tiles are averaged, and each image counts once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from toy_data import Toy, balanced, toy_dataset

from medfm_cli.errors import DataError
from medfm_cli.scoring.images import LabelledImages, labelled_images


@pytest.fixture
def tiled(tmp_path: Path) -> LabelledImages:
    subjects = [
        Toy("disc", "train", 2, 3),
        Toy("ring", "train", 1),
        Toy(None, "train"),
        Toy("ring", "test", 2),
    ]
    return labelled_images(toy_dataset(tmp_path, subjects))


def test_tiles_are_grouped_and_unlabelled_images_left_out(tiled: LabelledImages) -> None:
    assert len(tiled) == 5
    assert len(tiled.rows) == 9
    assert tiled.classes == ("disc", "ring")
    assert tiled.counts() == [2, 3]
    assert tiled.of_split("test").tolist() == [3, 4]
    assert tiled.n_subjects(tiled.of_split("train")) == 2
    assert len(tiled.samples(tiled.of_split("train"))) == 7


def test_tiles_are_averaged_in_the_order_of_the_images(tiled: LabelledImages) -> None:
    images = np.array([1, 3])
    tiles = np.array([[1.0, 0.0], [0.4, 0.6], [0.1, 0.9], [0.3, 0.7]])
    np.testing.assert_allclose(tiled.average(images, tiles), [[0.5, 0.5], [0.3, 0.7]])
    cases = tiled.cases(images, tiled.average(images, tiles))
    assert cases.truth.tolist() == [0, 1]
    assert cases.n_subjects == 2


def test_every_image_counts_once_and_balanced_every_class(tiled: LabelledImages) -> None:
    train = tiled.of_split("train")
    truth = tiled.truth[tiled.image[tiled.samples(train)]]
    plain = tiled.weights(train, balanced=False)
    assert plain.mean() == pytest.approx(1)
    assert plain[truth == 0].sum() == pytest.approx(2 * plain[truth == 1].sum())
    even = tiled.weights(train, balanced=True)
    assert even[truth == 0].sum() == pytest.approx(even[truth == 1].sum())


def test_whole_images_without_balance_count_exactly_one(tmp_path: Path) -> None:
    images = labelled_images(toy_dataset(tmp_path, balanced()))
    assert set(images.weights(images.of_split("train"), balanced=False).tolist()) == {1.0}


def test_one_class_is_refused_with_a_way_out(tmp_path: Path) -> None:
    dataset = toy_dataset(tmp_path, [Toy("disc", "train"), Toy("disc", "test")])
    with pytest.raises(DataError, match=r"all of one class \(disc\)") as caught:
        labelled_images(dataset)
    assert caught.value.hint


def test_a_dataset_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no labels"):
        labelled_images(toy_dataset(tmp_path, [Toy(None, "train")]))
