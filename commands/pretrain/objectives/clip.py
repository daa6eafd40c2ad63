"""CLIP: Radford, Kim, Hallacy, Ramesh, Goh, Agarwal et al., ICML 2021, arXiv 2103.00020.

Image i and its text i of a batch of B pairs are brought to vectors x_i, y_i of length one. Each
image is matched with its own text among all texts of the batch, and each text with its image:

```
x_i = W_x f(image_i) / ‖·‖        y_i = W_y g(text_i) / ‖·‖          [E]
z_ij = s ⟨x_i, y_j⟩               s = exp(t), learned, t₀ = − log 0.07, s ≤ 100
L_i = − ½ log( e^{z_ii} / Σ_{j ∈ N_i} e^{z_ij} ) − ½ log( e^{z_ii} / Σ_{j ∈ N_i} e^{z_ji} )
L = 1/B Σ_i L_i
```

Equations: figure 3 of the paper (its pseudo-code) and §2.5 for the start and the limit of s, which
holds after every step as in the authors' code. There N_i is the whole batch. Ours leaves out of it
pairs that are not negatives: another image of the same subject, and an equal text
(`pairs.negatives`). The batch is the global one, gathered from all processes; with `accumulate`
it is one part of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from medfm_cli.commands.pretrain.objectives.pairs import Pairs

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
    from medfm_cli.commands.pretrain.objectives.options.pairs import ClipOptions
    from medfm_cli.models.backbones import Backbone


class Clip(Pairs):
    """The contrastive loss on pairs as a task of the training loop."""

    def __init__(self, backbone: Backbone, options: ClipOptions, context: ObjectiveContext) -> None:
        """Set up the text encoder; see `Pairs`."""
        super().__init__(backbone, options, context, scale=1 / options.temperature)
        self.largest = math.log(options.largest_scale)

    def pair_losses(self, logits: Tensor, negatives: Tensor) -> Tensor:
        """Give the loss [B] of each pair from logits [B,B]."""
        return clip_losses(logits, negatives)

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Keep the scale below its limit."""
        del step
        self.side.logit_scale.clamp_(max=self.largest)


def clip_losses(logits: Tensor, negatives: Tensor) -> Tensor:
    """Give L_i [B] of logits z [B,B], images along the rows, with the mask `negatives` [B,B]."""
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    counted = logits.masked_fill(~(negatives | own), -torch.inf)
    target = torch.arange(len(logits), device=logits.device)
    to_text = functional.cross_entropy(counted, target, reduction="none")
    to_image = functional.cross_entropy(counted.T, target, reduction="none")
    return (to_text + to_image) / 2
