"""The moving average, by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medfm_cli.training.ema import Ema


def _module(value: float) -> nn.Linear:
    module = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(value)
    return module


def test_follows_its_equation() -> None:
    module = _module(1.0)
    ema = Ema(module, 0.9)
    expected = 1.0
    for step, weight in enumerate((2.0, -1.0, 5.0)):
        with torch.no_grad():
            module.weight.fill_(weight)
        ema.update(module, step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weight
        assert ema.state()["weight"].item() == pytest.approx(expected, rel=1e-6)


def test_reaches_its_full_decay() -> None:
    ema = Ema(_module(0.0), 0.99)
    assert ema.decay_at(0) == pytest.approx(0.1)
    assert ema.decay_at(100_000) == 0.99


def test_lends_its_weights_and_gives_the_own_ones_back() -> None:
    module = _module(1.0)
    ema = Ema(module, 0.5)
    with torch.no_grad():
        module.weight.fill_(3.0)
    with ema.applied(module):
        assert module.weight.item() == 1.0
    assert module.weight.item() == 3.0
    assert ema.state()["weight"].item() == 1.0
    ema.copy_to(module)
    assert module.weight.item() == 1.0
