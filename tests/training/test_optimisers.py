"""Which parameters decay, and how the rate is set."""

from __future__ import annotations

import torch
from torch import nn
from training_tools import options

from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.training.optimisers import (
    build_optimiser,
    decay_groups,
    set_learning_rate,
    set_weight_decay,
)


class _Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)
        self.table = nn.Parameter(torch.zeros(2, 3))
        self.fixed = nn.Parameter(torch.zeros(2, 3), requires_grad=False)

    def no_weight_decay(self) -> set[str]:
        return {"table"}


def test_biases_named_parameters_and_frozen_ones_do_not_decay() -> None:
    module = nn.Sequential(_Named(), nn.LayerNorm(3))
    decaying, free = decay_groups(module)
    names = {id(p): name for name, p in module.named_parameters()}
    assert [names[id(p)] for p in decaying] == ["0.inner.weight"]
    assert {names[id(p)] for p in free} == {"0.table", "0.inner.bias", "1.weight", "1.bias"}


def test_positions_and_tokens_of_a_backbone_do_not_decay() -> None:
    backbone = build_backbone(BackboneSpec(name="vit_xxs", image_size=32, registers=1))
    _, free = decay_groups(backbone)
    names = {id(p): name for name, p in backbone.named_parameters()}
    spared = {names[id(p)] for p in free}
    assert "net.pos_embed" in spared
    assert not any(name.endswith("mlp.fc1.weight") for name in spared)


def test_the_rate_is_scaled_by_group() -> None:
    module = nn.Linear(2, 2)
    optimiser = build_optimiser(module, options(weight_decay=0.3))
    assert [group["weight_decay"] for group in optimiser.param_groups] == [0.3, 0.0]
    optimiser.param_groups[1]["scale"] = 0.5
    set_learning_rate(optimiser, 0.2)
    assert [group["lr"] for group in optimiser.param_groups] == [0.2, 0.1]


def test_a_task_may_let_parts_learn_more_slowly() -> None:
    class Layered(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.low, self.high = nn.Linear(3, 3), nn.Linear(3, 3)

        def rate_scale(self, name: str) -> float:
            return 0.5 if name.startswith("low") else 1.0

    module = Layered()
    optimiser = build_optimiser(module, options(weight_decay=0.3))
    set_learning_rate(optimiser, 0.2)
    rates = {p: g["lr"] for g in optimiser.param_groups for p in g["params"]}
    decays = {p: g["weight_decay"] for g in optimiser.param_groups for p in g["params"]}
    assert [rates[p] for p in module.parameters()] == [0.1, 0.1, 0.2, 0.2]
    assert [decays[p] for p in module.parameters()] == [0.3, 0.0, 0.3, 0.0]


def test_weight_decay_rises_where_there_is_decay_and_stays_where_no_end_is_given() -> None:
    rising = options(weight_decay=0.04, weight_decay_end=0.4, steps=10)
    optimiser = build_optimiser(nn.Linear(2, 2), rising)
    found = []
    for step in (0, 5, 10):
        set_weight_decay(optimiser, rising, step)
        found.append([round(group["weight_decay"], 12) for group in optimiser.param_groups])
    assert found == [[0.04, 0.0], [0.22, 0.0], [0.4, 0.0]]
    constant = options(weight_decay=0.3)
    optimiser = build_optimiser(nn.Linear(2, 2), constant)
    set_weight_decay(optimiser, constant, 5)
    assert [group["weight_decay"] for group in optimiser.param_groups] == [0.3, 0.0]
