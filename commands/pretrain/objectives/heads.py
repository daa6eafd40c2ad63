"""The small networks between an encoder and a loss; discarded after pretraining.

They act on the features of the whole batch (`training.gather`), so that the statistics of
BatchNorm are those of one process however many there are.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


def mlp(
    sizes: Sequence[int],
    *,
    norm: bool = True,
    last_norm: bool = False,
    activation: type[nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """Linear layers from `sizes[0]` through `sizes[1:-1]` to `sizes[-1]` numbers, [B,D] → [B,K].

    With `norm` every hidden layer is linear without bias, BatchNorm, activation; without it,
    linear, activation. With `last_norm` a BatchNorm without weights ends it (MoCo v3 and SimCLR's
    code); that needs batches of two at least, as `norm` does.
    """
    layers: list[nn.Module] = []
    *hidden, out = sizes[1:]
    width = sizes[0]
    for size in hidden:
        layers.append(nn.Linear(width, size, bias=not norm))
        if norm:
            layers.append(nn.BatchNorm1d(size))
        layers.append(activation())
        width = size
    layers.append(nn.Linear(width, out, bias=not last_norm))
    if last_norm:
        layers.append(nn.BatchNorm1d(out, affine=False))
    return nn.Sequential(*layers)


def perceptron(
    dim: int, hidden: int, out: int, *, layers: int, norm: bool = True, last_norm: bool = False
) -> nn.Sequential:
    """Give an `mlp` of `layers` linear layers whose hidden ones are all `hidden` wide."""
    return mlp([dim, *[hidden] * (layers - 1), out], norm=norm, last_norm=last_norm)
