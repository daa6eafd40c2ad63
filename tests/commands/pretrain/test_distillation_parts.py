"""The parts of self-distillation against `lightly`, equations by hand and their own promises."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightly.loss import KoLeoLoss
from lightly.loss.msn_loss import sinkhorn as lightly_sinkhorn
from lightly.models.modules.heads import DINOProjectionHead
from lightly.models.utils import random_block_mask

from medfm_cli.commands.pretrain.objectives.block_masks import ROUNDS, block_masks, mask_counts
from medfm_cli.commands.pretrain.objectives.centering import Centre
from medfm_cli.commands.pretrain.objectives.koleo import koleo
from medfm_cli.commands.pretrain.objectives.options.distillation import Head
from medfm_cli.commands.pretrain.objectives.prototypes import PrototypeHead
from medfm_cli.commands.pretrain.objectives.sinkhorn import sinkhorn
from medfm_cli.commands.pretrain.objectives.soft_targets import cross_entropy, entropy, usage


def cosines(count: int, prototypes: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(count, prototypes, generator=generator) - 1


def test_cross_entropy_and_entropy_are_those_of_the_definition() -> None:
    logits, targets = cosines(5, 7), cosines(5, 7, seed=1).softmax(-1)
    s, p = logits.double().numpy() / 0.1, targets.double().numpy()
    q = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
    by_hand = -(p * np.log(q)).sum(axis=1)
    assert cross_entropy(logits, targets, 0.1).numpy() == pytest.approx(by_hand, rel=1e-5)
    assert entropy(targets).numpy() == pytest.approx(-(p * np.log(p)).sum(axis=1), rel=1e-5)
    assert entropy(torch.tensor([0.0, 1.0])) == 0


def test_the_gradient_of_cross_entropy_is_that_of_softmax() -> None:
    logits = cosines(5, 7).requires_grad_()
    targets = cosines(5, 7, seed=1).softmax(-1)
    cross_entropy(logits, targets, 0.1).sum().backward()
    assert logits.grad is not None
    expected = ((logits.detach() / 0.1).softmax(-1) - targets) / 0.1
    assert torch.allclose(logits.grad, expected, atol=1e-5)


def test_usage_is_one_for_even_use_and_one_over_k_for_a_winner() -> None:
    assert usage(torch.eye(8)).item() == pytest.approx(1)
    assert usage(torch.eye(8)[:1].repeat(8, 1)).item() == pytest.approx(1 / 8)
    assert usage(torch.eye(8)[:4]).item() == pytest.approx(1 / 2)


def test_the_centre_follows_the_mean_of_all_parts_and_starts_at_zero() -> None:
    centre = Centre(6, momentum=0.9)
    logits = cosines(8, 6)
    assert torch.equal(centre.targets(logits, torch.tensor(0.5)), (logits / 0.5).softmax(-1))
    centre.see(logits[:3])
    centre.see(logits[3:])
    assert not centre.value.any()
    centre.update()
    first = 0.1 * logits.double().mean(0)
    assert torch.allclose(centre.value.double(), first, atol=1e-7)
    centre.update()  # nothing was seen since
    assert torch.allclose(centre.value.double(), first, atol=1e-7)
    centre.see(2 * logits)
    centre.update()
    second = 0.9 * first + 0.2 * logits.double().mean(0)
    assert torch.allclose(centre.value.double(), second, atol=1e-7)
    expected = ((logits - second) / 0.04).softmax(-1).float()
    assert torch.allclose(centre.targets(logits, torch.tensor(0.04)), expected, atol=1e-4)
    assert list(centre.state_dict()) == ["value"]


@given(
    st.integers(1, 40), st.integers(2, 40), st.sampled_from([0.04, 0.07, 1.0]), st.integers(0, 9)
)
def test_sinkhorn_gives_distributions_over_evenly_used_prototypes(
    count: int, prototypes: int, temperature: float, seed: int
) -> None:
    logits = cosines(count, prototypes, seed)
    rows = torch.ones(count)
    assert torch.allclose(sinkhorn(logits, temperature).sum(1), rows, atol=1e-4)
    warm = sinkhorn(logits, 0.5, rounds=200)
    assert torch.allclose(warm.sum(1), rows, atol=1e-4)
    assert torch.allclose(warm.sum(0), torch.full([prototypes], count / prototypes), rtol=1e-2)


@pytest.mark.parametrize(("count", "prototypes"), [(16, 8), (5, 32), (1, 4)])
def test_sinkhorn_is_that_of_lightly(count: int, prototypes: int) -> None:
    logits = cosines(count, prototypes)
    # lightly has no temperature: it takes the numbers that are made even.
    expected = lightly_sinkhorn((logits.double() / 0.05).exp(), iterations=3)
    assert torch.allclose(sinkhorn(logits, 0.05).double(), expected, rtol=1e-4, atol=1e-7)


def test_sinkhorn_bears_logits_of_any_size() -> None:
    logits = 1e4 * cosines(6, 4)
    targets = sinkhorn(logits, 0.04)
    assert targets.isfinite().all()
    assert torch.allclose(targets.sum(1), torch.ones(6), atol=1e-4)


def test_koleo_is_that_of_lightly_and_pushes_neighbours_apart() -> None:
    features = torch.randn(12, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    expected = KoLeoLoss()(features)
    assert koleo(features).mean().item() == pytest.approx(expected.item(), rel=1e-6)
    (ours,) = torch.autograd.grad(koleo(features).mean(), features)
    (theirs,) = torch.autograd.grad(KoLeoLoss()(features), features)
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert koleo(features - 0.05 * ours).mean() < koleo(features).mean()


def test_koleo_by_hand() -> None:
    """Angles 0°, 60° and 180° on the circle: nearest distances 1, 1 and √3."""
    corners = torch.tensor([[2.0, 0.0], [0.5, math.sqrt(0.75)], [-3.0, 0.0]])
    assert koleo(corners).tolist() == pytest.approx([0, 0, -math.log(math.sqrt(3))], abs=1e-6)
    assert koleo(corners[:1]).tolist() == [0]


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
def test_masks_hide_exactly_what_was_asked(rows: int, columns: int, seed: int) -> None:
    generator, patches = np.random.default_rng(seed), rows * columns
    counts = generator.integers(0, patches + 1, 6)
    draws, noise = generator.random((6, ROUNDS, 4)), generator.random((6, patches))
    masks = block_masks(counts, draws, noise, grid=(rows, columns))
    assert masks.shape == (6, patches)
    assert np.array_equal(masks.sum(axis=1), counts)
    one_by_one = [
        block_masks(*(a[i : i + 1] for a in (counts, draws, noise)), grid=(rows, columns))
        for i in range(6)
    ]
    assert np.array_equal(np.concatenate(one_by_one), masks)


def test_masks_are_blocks_where_lightly_has_them() -> None:
    """Blocks lie where they fit, so edges are hidden less often than the middle; ours alike."""
    generator = np.random.default_rng(0)
    counts = mask_counts(generator.random(600), low=0.1, high=0.5, patches=196)
    assert (counts.min(), counts.max()) == (19, 97)
    draws, noise = generator.random((600, ROUNDS, 4)), generator.random((600, 196))
    masks = block_masks(counts, draws, noise, grid=(14, 14)).reshape(-1, 14, 14)
    random.seed(0)
    theirs = random_block_mask((600, 14, 14), batch_mask_ratio=1.0).numpy()
    assert masks.mean() == pytest.approx(0.3, abs=0.01)
    assert theirs.mean() == pytest.approx(0.3, abs=0.02)
    shares = [found.mean(axis=0) for found in (masks, theirs)]
    assert np.abs(shares[0] - shares[1]).max() < 0.1
    neighbours = [(m[:, :, 1:] & m[:, :, :-1]).mean() for m in (masks, theirs)]
    assert neighbours[0] == pytest.approx(neighbours[1], abs=0.02)
    assert neighbours[0] > 2 * masks.mean() ** 2  # of patches drawn one by one: the square


@pytest.mark.filterwarnings("ignore:.*weight_norm` is deprecated")
def test_the_head_is_that_of_lightly() -> None:
    options = Head(hidden=16, bottleneck=8, prototypes=12)
    head = PrototypeHead(10, options)
    theirs = DINOProjectionHead(10, 16, 8, 12)
    linear = [layer for layer in theirs.layers if isinstance(layer, torch.nn.Linear)]
    own = [layer for layer in head.mlp if isinstance(layer, torch.nn.Linear)]
    with torch.no_grad():
        for mine, other in zip(own, linear, strict=True):
            other.load_state_dict(mine.state_dict())
        theirs.last_layer.weight_v.copy_(head.prototypes)
    features = torch.randn(5, 10)
    assert torch.allclose(head(features), theirs(features), atol=1e-6)
    assert head(features).abs().max() <= 1 + 1e-6
    head(features).square().sum().backward()
    theirs(features).square().sum().backward()
    assert torch.allclose(head.prototypes.grad, theirs.last_layer.weight_v.grad, atol=1e-6)  # type: ignore[arg-type]
    assert all(p.grad is not None for p in head.parameters())
    head.hold_prototypes()
    assert head.prototypes.grad is None
