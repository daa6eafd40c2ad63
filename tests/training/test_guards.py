"""The spread of features, by hand."""

from __future__ import annotations

import pytest
import torch

from medfm_cli.training.guards import feature_spread


def test_equal_features_have_collapsed() -> None:
    spread = feature_spread(torch.ones(10, 4))
    assert spread.collapsed
    assert spread.std == pytest.approx(0, abs=1e-6)
    assert spread.effective_rank == pytest.approx(1.0)


def test_one_direction_has_collapsed() -> None:
    spread = feature_spread(torch.linspace(-1, 1, 20)[:, None] * torch.tensor([[1.0, 2.0, 3.0]]))
    assert spread.effective_rank == pytest.approx(1.0, abs=1e-6)
    assert spread.collapsed


def test_equal_singular_values_give_the_full_rank() -> None:
    basis = torch.eye(3)
    spread = feature_spread(torch.cat([basis, -basis]))
    assert spread.effective_rank == pytest.approx(3.0)
    assert spread.std == pytest.approx(1.0)
    assert not spread.collapsed
    assert spread.metrics("f") == {
        "f_images": 6,
        "f_std": spread.std,
        "f_effective_rank": spread.effective_rank,
        "f_dimensions": 3,
    }


def test_effective_rank_is_the_exponential_of_the_entropy() -> None:
    """Two singular values 3 : 1, so p = ¾, ¼ and the entropy is −¾ ln ¾ − ¼ ln ¼."""
    values = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    p = torch.tensor([0.75, 0.25])
    expected = torch.exp(-(p * p.log()).sum()).item()
    assert feature_spread(values).effective_rank == pytest.approx(expected, rel=1e-6)
