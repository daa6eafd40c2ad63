"""The probe: BioVFM's rule, deterministic, and the encoder in evaluation mode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from toy_data import balanced, toy_dataset, toy_run

from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.errors import DataError
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.training import features as module
from medfm_cli.training.features import class_probabilities, extract
from medfm_cli.training.probe import Labelled, fit_probe
from medfm_cli.training.probing import ProbeKeys, choose_class_weights

SPEC = BackboneSpec(name="vit_xxs", image_size=32, drop_path=0.3)
INPUT = Preprocessing(size=32, channels=1)


def blobs(seed: int, *, n: int = 120, k: int = 3, dim: int = 8, apart: float = 2.0) -> Labelled:
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(k, dim)) * apart
    labels = np.arange(n) % k
    values = centres[labels] + generator.normal(size=(n, dim))
    return Labelled(values.astype(np.float32), labels)


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float((probabilities.argmax(1) == labels).mean())


@pytest.mark.parametrize("rule", ["biovfm", "logistic"])
def test_separable_classes_are_separated(rule: str) -> None:
    keys = ProbeKeys(rule=rule)  # type: ignore[arg-type]
    fitted = fit_probe(blobs(0), keys, classes=3, seed=0, val=blobs(1))
    test = blobs(2)
    assert accuracy(fitted.probabilities(test.features), test.labels) > 0.95
    assert not fitted.head.training


def test_the_head_is_the_one_of_the_paper_and_starts_small() -> None:
    keys = ProbeKeys(epochs=1, learning_rate=1e-9)
    fitted = fit_probe(blobs(0), keys, classes=3, seed=0)
    norm, linear = fitted.head.norm, fitted.head.linear
    assert (norm.affine, norm.eps) == (False, 1e-6)
    assert 0.005 < float(linear.weight.detach().std()) < 0.02
    assert float(linear.bias.detach().abs().max()) < 1e-6


def test_the_epoch_with_the_lowest_validation_loss_is_kept() -> None:
    noise = np.random.default_rng(0)
    train = blobs(0, n=30, apart=0.3)
    flipped = Labelled(train.features, noise.permutation(train.labels))  # nothing to learn
    fitted = fit_probe(flipped, ProbeKeys(), classes=3, seed=0, val=blobs(1, apart=0.3))
    losses = [epoch.val for epoch in fitted.history]
    assert fitted.chosen == "lowest validation loss"
    assert fitted.epoch == int(np.argmin(losses)) + 1 < 100
    last = fit_probe(flipped, ProbeKeys(), classes=3, seed=0)
    assert (last.chosen, last.epoch) == ("last epoch", 100)
    assert all(epoch.val is None for epoch in last.history)


def test_the_same_seed_gives_the_same_head_and_torchs_generator_is_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, two = (fit_probe(blobs(0), ProbeKeys(epochs=5), classes=3, seed=3) for _ in range(2))
    other = fit_probe(blobs(0), ProbeKeys(epochs=5), classes=3, seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(*(f.probabilities(blobs(1).features) for f in (one, two)))
    assert not torch.equal(one.head.linear.weight, other.head.linear.weight)


def test_weights_count_like_repeated_samples() -> None:
    plain = blobs(0, n=40, apart=0.5)
    twice = np.where(plain.labels == 0, 2, 1)
    weighted = Labelled(plain.features, plain.labels, twice.astype(np.float32))
    repeated = Labelled(np.repeat(plain.features, twice, 0), np.repeat(plain.labels, twice))
    keys = ProbeKeys(rule="logistic")
    a, b = (fit_probe(x, keys, classes=3, seed=0) for x in (weighted, repeated))
    # the mean and variance of the features differ a little; the weighting of the loss does not
    np.testing.assert_allclose(
        a.probabilities(plain.features), b.probabilities(plain.features), atol=0.03
    )


@pytest.mark.parametrize("rule", ["biovfm", "logistic"])
@pytest.mark.parametrize("present", [[0, 2], [0, 1, 3]])
def test_a_class_without_training_samples_is_never_predicted(rule: str, present: list[int]) -> None:
    labels = np.array(present * 20)
    values = np.eye(4, dtype=np.float32)[labels] * 3
    values += np.random.default_rng(0).normal(size=values.shape).astype(np.float32)
    fitted = fit_probe(Labelled(values, labels), ProbeKeys(rule=rule), classes=4, seed=0)  # type: ignore[arg-type]
    assert set(fitted.probabilities(values).argmax(1)) == set(present)
    assert accuracy(fitted.probabilities(values), labels) > 0.9


def test_fewer_samples_than_a_batch_and_odd_rests() -> None:
    for n in (2, 3, 129):
        fitted = fit_probe(blobs(0, n=n), ProbeKeys(epochs=2), classes=3, seed=0)
        assert np.isfinite(fitted.probabilities(blobs(1).features)).all()


def test_one_class_is_refused() -> None:
    only = Labelled(np.zeros((5, 3), np.float32), np.ones(5, np.int64))
    with pytest.raises(DataError, match="at least two classes"):
        fit_probe(only, ProbeKeys(), classes=2, seed=0)


@pytest.mark.parametrize(
    ("wanted", "counts", "expected"),
    [
        ("auto", [10, 10, 12], False),
        ("auto", [10, 40], True),
        ("auto", [10, 0, 12], False),
        ("none", [1, 99], False),
        ("balanced", [5, 5], True),
    ],
)
def test_class_weights(wanted: str, counts: list[int], expected: bool) -> None:
    assert choose_class_weights(wanted, counts)[0] is expected  # type: ignore[arg-type]


def test_features_are_computed_in_evaluation_mode_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = toy_dataset(tmp_path / "data", balanced(subjects=2))
    backbone = build_backbone(SPEC, seed=0).train()
    run = toy_run(tmp_path / "run")
    rows = dataset.rows("train")
    first = extract(backbone, dataset, rows, preprocessing=INPUT, run=run, key="w")
    assert first.shape == (len(rows), backbone.dim)
    assert not backbone.training
    again = extract(backbone.train(), dataset, rows, preprocessing=INPUT, run=run)
    np.testing.assert_array_equal(first, again)  # with drop-path on they would differ

    def fail(*_args: object, **_options: object) -> None:
        pytest.fail("computed twice")

    monkeypatch.setattr(module, "forward", fail)
    kept = extract(backbone, dataset, rows, preprocessing=INPUT, run=run, key="w")
    np.testing.assert_array_equal(first, kept)
    with pytest.raises(pytest.fail.Exception):
        extract(backbone, dataset, rows[1:], preprocessing=INPUT, run=run, key="w")


def test_features_do_not_depend_on_the_other_images_in_the_batch(tmp_path: Path) -> None:
    dataset = toy_dataset(tmp_path / "data", balanced(subjects=2))
    backbone, run = build_backbone(SPEC, seed=0), toy_run(tmp_path / "run")
    rows = dataset.rows()
    whole = extract(backbone, dataset, rows, preprocessing=INPUT, run=run)
    part = extract(backbone, dataset, rows[3:5], preprocessing=INPUT, run=run)
    np.testing.assert_allclose(whole[3:5], part, atol=1e-5)


def test_class_probabilities_sum_to_one(tmp_path: Path) -> None:
    dataset = toy_dataset(tmp_path / "data", balanced(subjects=2))
    head = torch.nn.Sequential(build_backbone(SPEC, seed=0), torch.nn.Linear(64, 3)).train()
    run = toy_run(tmp_path / "run")
    found = class_probabilities(head, dataset, dataset.rows(), preprocessing=INPUT, run=run)
    np.testing.assert_allclose(found.sum(1), 1)
    assert not head.training
