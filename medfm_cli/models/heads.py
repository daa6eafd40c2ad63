"""Heads: features [B,D] to logits [B,K]."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from medfm_cli.models.spec import HeadSpec


def build_head(spec: HeadSpec, *, dim: int) -> nn.Module:
    """Build the head of `spec` for features of `dim` numbers."""
    return probe(dim, spec.classes) if spec.kind == "probe" else linear(dim, spec.classes)


def linear(dim: int, classes: int) -> nn.Linear:
    """One linear layer; weight ~ truncated normal of 0.01, bias 0 (MoCo v3's habit)."""
    layer = nn.Linear(dim, classes)
    nn.init.trunc_normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    return layer


def probe(dim: int, classes: int) -> nn.Sequential:
    """BatchNorm without weights (eps 1e-6), then `linear`: BioVFM-21M's probe (MAE's rule)."""
    norm = nn.BatchNorm1d(dim, affine=False, eps=1e-6)
    return nn.Sequential(OrderedDict(norm=norm, linear=linear(dim, classes)))
