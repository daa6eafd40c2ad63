"""SimMIM: Xie, Zhang, Cao, Lin, Bao, Yao, Dai & Hu, CVPR 2022, arXiv 2111.09886.

An input x is cut into N patches of P numbers and into larger blocks of whole patches. ⌈ρ U⌉ of its
U blocks are masked; their patches are the set M. The encoder sees every patch, with a learned token
[m] plus the position in place of a masked one. One linear layer predicts the patches:

```
t_i = E x_i + position_i  (i ∉ M)      t_i = [m] + position_i  (i ∈ M)          [B, N, D]
ŷ = W f(t) + b                                                                  [B, N, P]
L = 1/|M| Σ_{i ∈ M} 1/P ‖ŷ_i − x_i‖₁
```

Equations: §3 of the paper and its released code, where the sum over a batch is divided by its
number of masked values; ours is the mean of the images' means, equal if the blocks fill the grid.
Otherwise the last block along an axis is smaller. Other differences: plain
vision transformers only (the paper's Swin does not take tokens), no class token in the
presets. Of a series the mean runs over the observed values of the masked patches (see `masked`).

Every patch goes through the encoder: a step costs as much as without masks, whereas `mae` encodes
the visible patches only.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from medfm_cli.commands.pretrain.objectives.masked import (
    Masked,
    mean_where,
    target_size,
)
from medfm_cli.commands.pretrain.objectives.patches import Grid, choose_hidden
from medfm_cli.errors import UsageError

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.objectives import SimMimOptions
    from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
    from medfm_cli.models.backbones import Backbone


class SimMim(Masked):
    """SimMIM as a task of the training loop."""

    def __init__(
        self, backbone: Backbone, options: SimMimOptions, context: ObjectiveContext
    ) -> None:
        """Set up the mask token and the prediction layer.

        Raises:
            UsageError: not a plain vision transformer, or blocks that are not whole patches.
        """
        super().__init__(backbone, context)
        self.options = options
        self.mask_ratio = options.mask_ratio
        self.block = block_of(options, backbone.patch)
        self.mask_token = nn.Parameter(torch.empty(1, 1, backbone.dim))
        self.predict = nn.Linear(backbone.dim, target_size(backbone, context.preprocessing))
        nn.init.trunc_normal_(self.mask_token, std=0.02)

    def no_weight_decay(self) -> set[str]:
        """The parameters without weight decay."""
        return {"mask_token"}

    def draws(self, grid: Grid) -> int:
        """One number a block."""
        return math.prod(self._blocks(grid))

    def losses(self, values: Tensor, noise: Tensor) -> Tensor:  # type: ignore[override]
        """Give the loss [B] of normalised inputs [B,C,*space] under `noise` [B,U]."""
        hidden = self.hide(noise, self.backbone.grid_of(values))
        patches, counts = self.target(values)
        # In full precision: bf16 loses most in the difference of similar numbers.
        errors = (self.predict_patches(values, hidden).float() - patches.float()).abs()
        weights = hidden.unsqueeze(-1) * (torch.ones_like(errors) if counts is None else counts)
        return mean_where(errors, weights)

    def predict_patches(self, values: Tensor, hidden: Tensor) -> Tensor:
        """Predict every patch [B,N,P] from those that are not `hidden` [B,N]."""
        grid = self.backbone.grid_of(values)
        masked = self.mask_token + self.backbone.positions(grid)
        tokens = torch.where(hidden.unsqueeze(-1), masked, self.backbone.embed(values))
        predicted: Tensor = self.predict(self.backbone.encode(tokens))
        return predicted

    def hide(self, noise: Tensor, grid: Grid) -> Tensor:
        """The mask [B,N] of the patches of a grid: the blocks with most noise [B,U] are hidden."""
        blocks = self._blocks(grid)
        chosen = choose_hidden(noise, self.options.mask_ratio).hidden
        hidden = torch.zeros_like(noise, dtype=torch.bool).scatter(1, chosen, True)
        hidden = hidden.reshape(-1, *blocks)
        for axis, (size, side) in enumerate(zip(self.block, grid, strict=True), start=1):
            hidden = hidden.repeat_interleave(size, dim=axis).narrow(axis, 0, side)
        return hidden.flatten(1)

    def reconstruct_patches(self, values: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The predicted patches and the mask."""
        hidden = self.hide(noise, self.backbone.grid_of(values))
        return self.predict_patches(values, hidden).float(), hidden

    def _blocks(self, grid: Grid) -> Grid:
        """Blocks along each axis, incomplete ones at the edge included."""
        return tuple(-(-side // size) for side, size in zip(grid, self.block, strict=True))


def block_of(options: SimMimOptions, patch: Grid) -> Grid:
    """How many patches a block is long along each axis.

    Raises:
        UsageError: not a multiple of the patch, or not one number an axis.
    """
    if options.mask_patch == "auto":
        return (2,) * len(patch)
    block = options.mask_patch
    sides = block if isinstance(block, list) else [block] * len(patch)
    if len(sides) != len(patch) or any(a % b for a, b in zip(sides, patch, strict=True)):
        raise UsageError(
            f"objective.mask_patch is {block}, and a patch is {' × '.join(map(str, patch))}",
            hint="give multiples of the patch, one number or one an axis, or leave it at auto",
        )
    return tuple(a // b for a, b in zip(sides, patch, strict=True))
