"""The heads are the ones of the papers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medfm_cli.commands.pretrain.objectives.heads import mlp, perceptron


def kinds(module: nn.Sequential) -> list[str]:
    return [type(layer).__name__ for layer in module]


def test_layers_are_in_the_order_of_the_papers() -> None:
    head = perceptron(8, 16, 4, layers=3, last_norm=True)
    hidden = ["Linear", "BatchNorm1d", "ReLU"]
    assert kinds(head) == [*hidden, *hidden, "Linear", "BatchNorm1d"]
    shapes = [tuple(layer.weight.shape) for layer in head if isinstance(layer, nn.Linear)]
    assert shapes == [(16, 8), (16, 16), (4, 16)]
    assert all(layer.bias is None for layer in head if isinstance(layer, nn.Linear))
    assert head[-1].weight is None


def test_without_norm_there_are_biases_and_single_samples_pass() -> None:
    head = mlp([8, 16, 4], norm=False, activation=nn.GELU)
    assert kinds(head) == ["Linear", "GELU", "Linear"]
    assert head[0].bias is not None and head[-1].bias is not None
    assert head(torch.ones(1, 8)).shape == (1, 4)
    assert kinds(perceptron(8, 16, 4, layers=1)) == ["Linear"]


def test_the_last_norm_leaves_mean_0_and_variance_1() -> None:
    torch.manual_seed(0)
    values = perceptron(8, 16, 4, layers=2, last_norm=True)(torch.randn(500, 8))
    assert values.mean(0).abs().max() < 1e-5
    assert values.var(0, correction=0).tolist() == pytest.approx([1.0] * 4, abs=1e-3)
