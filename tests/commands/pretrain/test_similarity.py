"""The comparing losses against hand formulas, lightly's and torch's own."""

from __future__ import annotations

import math

import pytest
import torch
from lightly.loss import NTXentLoss
from torch import Tensor
from torch.nn import functional

from medfm_cli.commands.pretrain.objectives.similarity import Same, info_nce, nt_xent


def embeddings(count: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first, second = (
        torch.randn(count, 6, generator=generator, requires_grad=True) for _ in range(2)
    )
    return first, second


def by_hand(
    rows: Tensor, columns: Tensor, *, positives: list[int], hidden: list[int], temperature: float
) -> float:
    """−mean log of the positives' shares, for the first of `rows`, in plain Python."""
    row = rows[0].tolist()
    length = math.sqrt(sum(x * x for x in row))
    weights = []
    for column in columns.tolist():
        size = math.sqrt(sum(x * x for x in column)) * length
        weights.append(
            math.exp(sum(a * b for a, b in zip(row, column, strict=True)) / size / temperature)
        )
    total = sum(weight for index, weight in enumerate(weights) if index not in hidden)
    return -sum(math.log(weights[index] / total) for index in positives) / len(positives)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
@pytest.mark.parametrize("count", [2, 9])
def test_nt_xent_and_its_gradient_are_lightlys(count: int, temperature: float) -> None:
    ours, theirs = embeddings(count), embeddings(count)
    found = nt_xent(*ours, torch.arange(count), temperature=temperature).losses.mean()
    expected = NTXentLoss(temperature=temperature)(*theirs)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    for loss in (found, expected):
        loss.backward()
    for own, other in zip(ours, theirs, strict=True):
        assert torch.allclose(own.grad, other.grad, atol=1e-6)  # type: ignore[arg-type]


def test_info_nce_is_the_cross_entropy_of_moco_v3() -> None:
    """As its algorithm 1 writes it: 2τ · CrossEntropyLoss(q kᵀ / τ, 0 … B − 1)."""
    queries, keys = embeddings(7)
    result = info_nce(queries, keys, torch.arange(7), temperature=0.2)
    logits = functional.normalize(queries) @ functional.normalize(keys).T / 0.2
    expected = 0.4 * functional.cross_entropy(logits, torch.arange(7), reduction="none")
    assert torch.allclose(result.losses, expected, atol=1e-6)
    assert torch.equal(result.matched, (logits.argmax(1) == torch.arange(7)).float())


@pytest.mark.parametrize(
    ("same", "hidden", "positives"),
    [("ignore", [0, 1, 5], [4]), ("positive", [0], [1, 4, 5])],
)
def test_nt_xent_leaves_out_or_seeks_samples_of_the_same_person(
    same: Same, hidden: list[int], positives: list[int]
) -> None:
    """Samples 0 and 1 are one person's; of the 8 views, 4 and 5 are their second ones."""
    first, second = embeddings(4)
    views = torch.cat([first, second])
    groups = torch.tensor([9, 9, 2, 5])
    found = nt_xent(first, second, groups, temperature=0.3, same=same).losses[0].item()
    one_way = by_hand(views, views, positives=positives, hidden=hidden, temperature=0.3)
    # From the second view of sample 0, whose own place is 4 and whose partner's is 0.
    turned = views.roll(4, dims=0)
    other_way = by_hand(turned, turned, positives=positives, hidden=hidden, temperature=0.3)
    assert found == pytest.approx((one_way + other_way) / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("same", "hidden", "positives"), [("ignore", [1], [0]), ("positive", [], [0, 1])]
)
def test_info_nce_leaves_out_or_seeks_samples_of_the_same_person(
    same: Same, hidden: list[int], positives: list[int]
) -> None:
    queries, keys = embeddings(4)
    groups = torch.tensor([9, 9, 2, 5])
    found = info_nce(queries, keys, groups, temperature=0.3, same=same).losses[0].item()
    expected = by_hand(queries, keys, positives=positives, hidden=hidden, temperature=0.3)
    assert found == pytest.approx(0.6 * expected, rel=1e-5)


def test_slices_of_one_patient_do_not_push_each_other_away() -> None:
    """What stands where the gradient of a negative would: nothing."""
    first, second = embeddings(4)
    groups = torch.tensor([9, 9, 2, 5])
    losses = nt_xent(first, second, groups, temperature=0.3).losses
    (pushed,) = torch.autograd.grad(losses[0], first)
    assert pushed[1].tolist() == [0.0] * 6
    assert pushed[0].abs().min() > 0 and pushed[2].abs().min() > 0
    queries, keys = embeddings(4)
    (pushed,) = torch.autograd.grad(info_nce(queries, keys, groups, temperature=1).losses[0], keys)
    assert pushed[1].tolist() == [0.0] * 6 and pushed[2].abs().min() > 0


@pytest.mark.parametrize("same", ["ignore", "positive"])
def test_a_batch_of_one_person_gives_finite_gradients(same: Same) -> None:
    first, second = embeddings(3)
    losses = nt_xent(first, second, torch.zeros(3, dtype=torch.int64), temperature=0.1, same=same)
    losses.losses.mean().backward()  # type: ignore[no-untyped-call]
    assert first.grad is not None and first.grad.isfinite().all()
    if same == "ignore":
        assert losses.losses.tolist() == [0.0] * 3


def test_equal_views_are_matched_and_strangers_are_not() -> None:
    values = torch.eye(4)
    groups = torch.arange(4)
    for loss in (nt_xent, info_nce):
        assert loss(values, values, groups, temperature=0.1).matched.tolist() == [1.0] * 4
        turned = loss(values, values.roll(1, 0), groups, temperature=0.1)
        assert turned.matched.tolist() == [0.0] * 4


def test_it_is_computed_in_full_precision_under_autocast() -> None:
    first, second = embeddings(8)
    groups = torch.arange(8)
    expected = nt_xent(first, second, groups, temperature=0.05).losses
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(nt_xent(first, second, groups, temperature=0.05).losses, expected)
