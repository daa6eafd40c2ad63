"""The head of DINO: an MLP to a bottleneck on the sphere, and cosines with learned prototypes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from medfm_cli.commands.pretrain.objectives.heads import mlp

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.objectives.options.distillation import Head


class PrototypeHead(nn.Module):
    """Features [n, D] to logits [n, K]: the cosines with K prototypes.

    ```
    z = MLP(x) / ‖MLP(x)‖        D → hidden → hidden → bottleneck, GELU
    logit_k = z · w_k / ‖w_k‖
    ```

    Source: DINO (Caron et al. 2021, arXiv 2104.14294, §3.1 and appendix C): a weight-normalised
    last layer whose lengths are fixed at 1.
    """

    def __init__(self, dim: int, options: Head) -> None:
        super().__init__()
        sizes = [dim, *[options.hidden] * (options.layers - 1), options.bottleneck]
        self.mlp = mlp(sizes, norm=False, activation=nn.GELU)
        self.prototypes = nn.Parameter(torch.empty(options.prototypes, options.bottleneck))
        nn.init.normal_(self.prototypes)  # only the direction matters: uniform on the sphere
        self.mlp.apply(_initialise)

    def forward(self, features: Tensor) -> Tensor:
        """Give the logits, in −1…1."""
        directions = functional.normalize(self.mlp(features), dim=-1)
        return functional.linear(directions, functional.normalize(self.prototypes, dim=-1))

    def hold_prototypes(self) -> None:
        """Drop the prototypes' gradients, so that this step leaves them where they are."""
        self.prototypes.grad = None


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
