"""The teacher against its equation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from medfm_cli.training.teacher import Teacher, momentum_at


def student() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))


def test_it_starts_as_an_exact_copy_that_shares_nothing() -> None:
    source = student()
    teacher = Teacher(source)
    for name, value in source.state_dict().items():
        copied = teacher.module.state_dict()[name]
        assert torch.equal(copied, value) and copied.data_ptr() != value.data_ptr()
    assert all(parameter.requires_grad for parameter in source.parameters())


def test_the_average_is_that_of_the_equation() -> None:
    """θ̄₁ = 0.9 θ₀ + 0.1 θ₁, θ̄₂ = 0.5 θ̄₁ + 0.5 θ₂, by hand in double precision."""
    source = student()
    teacher = Teacher(source)
    weights = [source[0].weight.detach().double()]
    for momentum in (0.9, 0.5):
        with torch.no_grad():
            for parameter in source.parameters():
                parameter.add_(torch.randn_like(parameter))
        weights.append(source[0].weight.detach().double())
        teacher.update(source, momentum)
    expected = 0.5 * (0.9 * weights[0] + 0.1 * weights[1]) + 0.5 * weights[2]
    assert torch.allclose(teacher.module[0].weight.double(), expected, atol=1e-6)
    teacher.update(source, 1.0)
    assert torch.allclose(teacher.module[0].weight.double(), expected, atol=1e-6)
    teacher.update(source, 0.0)
    pairs = zip(teacher.parameters(), source.parameters(), strict=True)
    assert all(torch.equal(own, other) for own, other in pairs)


def test_no_gradient_passes() -> None:
    source = student()
    teacher = Teacher(source)
    values = torch.randn(5, 3, requires_grad=True)
    assert not teacher(values).requires_grad
    (source(values) - teacher(values)).square().mean().backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(parameter.grad is not None for parameter in source.parameters())


def test_batch_norm_follows_the_mode_and_dropout_is_always_off() -> None:
    whole = nn.ModuleDict({"student": student(), "teacher": Teacher(student())}).train()
    teacher = whole["teacher"]
    values = torch.randn(50, 3)
    assert torch.equal(teacher(values), teacher(values))
    assert teacher.module[1].training and not teacher.module[2].training
    assert teacher.module[1].num_batches_tracked == 2
    whole.eval()
    assert not teacher.module[1].training
    before = teacher.module[1].running_mean.clone()
    teacher(values)
    assert torch.equal(before, teacher.module[1].running_mean)


def test_momentum_rises_along_half_a_cosine() -> None:
    values = [momentum_at(step, steps=100, start=0.99) for step in range(101)]
    assert values[0] == pytest.approx(0.99) and values[100] == 1.0
    assert values == sorted(values)
    assert values[50] == pytest.approx(0.995)
    assert values[25] == pytest.approx(1 - 0.01 * (1 + math.sqrt(0.5)) / 2)
    assert momentum_at(500, steps=100, start=0.9, final=0.999) == 0.999
