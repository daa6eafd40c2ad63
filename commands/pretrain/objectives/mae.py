"""Masked autoencoder: He, Chen, Xie, Li, Dollár & Girshick, CVPR 2022, arXiv 2111.06377.

An input x (an image, a volume, a signal, a series, a spectrogram) is cut into N patches of P
numbers. ⌊(1 − ρ) N⌋ patches drawn at random stay visible, the others, the set M, are hidden. The
encoder f sees the visible ones only; a small decoder g gets its tokens, one learned token [m] for
every hidden patch, and all positions, and predicts the hidden patches:

```
z = f(visible patches + their positions)              [B, V, D]      V = N − |M|
ŷ = g([W z ; m … m] + positions)                      [B, N, P]
y_i = (x_i − mean(x_i)) / √(var(x_i) + 10⁻⁶)          per patch i, var over P − 1     (norm_pix)
L = 1/|M| Σ_{i ∈ M} 1/P ‖ŷ_i − y_i‖²
```

Equations: §3 of the paper and its "reconstruction target"; the constants are the paper's
appendix A. Differences of ours: no class token (features are the mean of the patch tokens), and
the encoder's positions start as sines and cosines but are trained. Of a series the mean runs over
the observed values of the hidden patches (see `masked`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from medfm_cli.commands.pretrain.objectives.masked import (
    Masked,
    Target,
    has_flags,
    mean_where,
    target_size,
)
from medfm_cli.commands.pretrain.objectives.patches import (
    Grid,
    Split,
    choose_hidden,
    normalise_patches,
    patch_std,
    take,
)
from medfm_cli.errors import UsageError
from medfm_cli.models.positions import resize, sincos

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.objectives import Decoder as DecoderOptions
    from medfm_cli.commands.pretrain.objectives import MaeOptions
    from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
    from medfm_cli.models.backbones import Backbone
    from medfm_cli.recipe import Part

_ONE_BY_ONE = (
    "The model learns patches normalised one by one, so the brightness and contrast (mean and "
    "spread) of each reconstructed patch are those of the sample itself."
)


class PredictedPatches(NamedTuple):
    """The autoencoder's prediction of the hidden patches."""

    split: Split
    patches: Tensor  # [B,M,P], in the units of the target
    target: Target


class Mae(Masked):
    """The autoencoder as a task of the training loop."""

    def __init__(self, backbone: Backbone, options: MaeOptions, context: ObjectiveContext) -> None:
        """Set up the decoder for `backbone`.

        Raises:
            UsageError: the backbone is not a plain vision transformer.
        """
        super().__init__(backbone, context)
        self.options = options
        self.mask_ratio = options.mask_ratio
        self.note = _ONE_BY_ONE if options.norm_pix else ""
        self.decoder = Decoder(
            options.decoder,
            grid=backbone.grid,
            encoder_dim=backbone.dim,
            outputs=target_size(backbone, context.preprocessing),
        )

    @classmethod
    def check(cls, options: Part, context: ObjectiveContext) -> None:
        """Reject normalised patches of a series. Raises UsageError."""
        if getattr(options, "norm_pix", False) and has_flags(context.preprocessing):
            raise UsageError(
                "norm_pix compares every patch with its own spread, and most patches of a series "
                "hold too few observed values to estimate it",
                hint="set objective.norm_pix=false; the values of a series are standardised anyway",
            )

    def draws(self, grid: Grid) -> int:
        """One number a patch."""
        return math.prod(grid)

    def losses(self, values: Tensor, noise: Tensor) -> Tensor:  # type: ignore[override]
        """Give the loss [B] of normalised inputs [B,C,*space] under `noise` [B,N]."""
        split, predicted, target = self.predict_patches(values, noise)
        hidden = take(target.patches, split.hidden)
        if self.options.norm_pix:
            hidden = normalise_patches(hidden)
        # In full precision: bf16 loses most in the difference of similar numbers.
        errors = (predicted.float() - hidden.float()).square()
        if target.counts is None:
            return errors.mean(dim=(1, 2))
        return mean_where(errors, take(target.counts, split.hidden))

    def predict_patches(self, values: Tensor, noise: Tensor) -> PredictedPatches:
        """Hide patches, encode the visible ones, decode the hidden ones."""
        split = choose_hidden(noise, self.options.mask_ratio)
        tokens = self.backbone.encode(take(self.backbone.embed(values), split.visible))
        predicted = self.decoder(tokens, split, self.backbone.grid_of(values))
        return PredictedPatches(split, predicted, self.target(values))

    def reconstruct_patches(self, values: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Undo the normalisation of the predicted patches and insert them in the grid."""
        split, predicted, target = self.predict_patches(values, noise)
        predicted = predicted.float()
        if self.options.norm_pix:
            hidden = take(target.patches, split.hidden)
            predicted = predicted * patch_std(hidden) + hidden.mean(dim=-1, keepdim=True)
        index = split.hidden.unsqueeze(-1).expand_as(predicted)
        everything = torch.zeros_like(target.patches, dtype=predicted.dtype)
        covered = torch.zeros_like(noise, dtype=torch.bool)
        return everything.scatter(1, index, predicted), covered.scatter(1, split.hidden, True)


class Decoder(nn.Module):
    """Visible tokens [B,V,D] to hidden patches [B,M,P]."""

    positions: Tensor

    def __init__(
        self, options: DecoderOptions, *, grid: Grid, encoder_dim: int, outputs: int
    ) -> None:
        from timm.models.vision_transformer import Block

        super().__init__()
        self.grid = grid
        self.embed = nn.Linear(encoder_dim, options.dim)
        self.mask_token = nn.Parameter(torch.empty(1, 1, options.dim))
        self.register_buffer("positions", sincos(grid, options.dim), persistent=False)
        self.blocks = nn.Sequential(
            *(Block(options.dim, options.heads, qkv_bias=True) for _ in range(options.depth))
        )
        self.norm = nn.LayerNorm(options.dim)
        self.predict = nn.Linear(options.dim, outputs)
        self.apply(_initialise)
        nn.init.normal_(self.mask_token, std=0.02)

    def no_weight_decay(self) -> set[str]:
        """The parameters without weight decay."""
        return {"mask_token"}

    def forward(self, tokens: Tensor, split: Split, grid: Grid) -> Tensor:
        """Predict the hidden patches of a grid.

        Attention does not know the order of its tokens, so they stay in the order visible, hidden
        and only their positions are looked up; no sorting is needed.
        """
        positions = self._positions(grid)
        visible = self.embed(tokens) + positions[split.visible]
        hidden = self.mask_token + positions[split.hidden]
        decoded = self.blocks(torch.cat([visible, hidden], dim=1))
        predicted: Tensor = self.predict(self.norm(decoded[:, visible.shape[1] :]))
        return predicted

    def _positions(self, grid: Grid) -> Tensor:
        """Positions [N,D] of a grid; resized if the grid differs from the backbone's."""
        return resize(self.positions[None], old=self.grid, new=grid)[0]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
