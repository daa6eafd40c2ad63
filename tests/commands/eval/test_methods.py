"""The baselines on their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from toy_data import Toy, balanced, toy_dataset, toy_run

from medfm_cli.commands.eval.methods.majority import MajorityClass
from medfm_cli.commands.eval.methods.pixels import PixelRegression
from medfm_cli.commands.eval.protocol import holdout
from medfm_cli.commands.eval.recipe import PixelKeys
from medfm_cli.data.preprocess import fit
from medfm_cli.errors import DataError
from medfm_cli.scoring.images import labelled_images


def test_majority_gives_the_shares_of_its_pool(tmp_path: Path) -> None:
    images = labelled_images(toy_dataset(tmp_path, [Toy("disc", "train", 3), Toy("ring", "test")]))
    found = MajorityClass(images, np.arange(5)).predict(holdout_of_all(images))
    np.testing.assert_allclose(found, [[0.6, 0.4]] * 5)


def holdout_of_all(images: object) -> object:
    from medfm_cli.scoring.splits import SplitIndices

    everything = np.arange(len(images))  # type: ignore[arg-type]
    return SplitIndices(images, everything, everything[:0], everything)  # type: ignore[arg-type]


def test_pixels_is_plain_logistic_regression(tmp_path: Path) -> None:
    dataset = toy_dataset(tmp_path / "data", balanced(subjects=4))
    images = labelled_images(dataset)
    (split,) = holdout(images).splits
    keys = PixelKeys(size=12, inverse_l2=0.1)
    method = PixelRegression(dataset, images, keys, balanced=False, run=toy_run(tmp_path / "run"))
    values = np.stack([fit(dataset.image(row), 12, 1).ravel() / 255 for row in images.rows])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    model.fit(values[split.train], images.truth[split.train])
    expected = model.predict_proba(values[split.test])
    np.testing.assert_allclose(method.predict(split), expected, atol=1e-3)
    assert method.unconverged == 0


def test_pixels_never_predicts_an_untrained_class(tmp_path: Path) -> None:
    subjects = [t for t in balanced(subjects=3) if (t.label, t.split) != ("ring", "train")]
    dataset = toy_dataset(tmp_path / "data", subjects)
    images = labelled_images(dataset)
    (split,) = holdout(images).splits
    run = toy_run(tmp_path / "run")
    found = PixelRegression(dataset, images, PixelKeys(size=8), balanced=True, run=run).predict(
        split
    )
    assert (found[:, images.classes.index("ring")] == 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_without_test_images_nothing_is_held_out(tmp_path: Path) -> None:
    images = labelled_images(toy_dataset(tmp_path, [Toy("disc", "train"), Toy("ring", "train")]))
    with pytest.raises(DataError, match="no labelled test image") as caught:
        holdout(images)
    assert "cross-validation" in (caught.value.hint or "")
