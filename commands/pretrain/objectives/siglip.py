"""SigLIP: Zhai, Mustafa, Kolesnikov & Beyer, ICCV 2023, arXiv 2303.15343.

Image i and text j of a batch of B pairs are brought to vectors x_i, y_j of length one, and each of
the B² couples is classified by itself: does it belong together (l_ij = 1, for i = j) or not (−1)?

```
z_ij = t ⟨x_i, y_j⟩ + b        t = exp(t'), t' and b learned; t'₀ = log 10, b₀ = −10
L_i = − Σ_{j ∈ N_i} log σ(l_ij z_ij)
L = 1/B Σ_i L_i
```

Equations: §3.2 and algorithm 1 of the paper. The bias starts so low because nearly all couples do
not belong together. In the paper N_i is the whole batch; ours leaves out couples that are not
negatives: another image of the same subject, and an equal text (`pairs.negatives`).
The batch is the global one, gathered from all processes (the paper's §3.3 swaps chunks instead,
which gives the same loss with less memory); with `accumulate` it is one part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from medfm_cli.commands.pretrain.objectives.pairs import Pairs

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
    from medfm_cli.commands.pretrain.objectives.options.pairs import SiglipOptions
    from medfm_cli.models.backbones import Backbone


class Siglip(Pairs):
    """The sigmoid loss on pairs as a task of the training loop."""

    def __init__(
        self, backbone: Backbone, options: SiglipOptions, context: ObjectiveContext
    ) -> None:
        """Set up the text encoder; see `Pairs`."""
        super().__init__(backbone, options, context, scale=options.scale, bias=options.bias)

    def pair_losses(self, logits: Tensor, negatives: Tensor) -> Tensor:
        """Give the loss [B] of each image from logits [B,B]."""
        return siglip_losses(logits, negatives)


def siglip_losses(logits: Tensor, negatives: Tensor) -> Tensor:
    """Give L_i [B] of logits z [B,B], images along the rows, with the mask `negatives` [B,B]."""
    own = torch.eye(len(logits), dtype=logits.dtype, device=logits.device)
    comparisons = functional.logsigmoid((2 * own - 1) * logits)
    return -(comparisons * (negatives | own.bool())).sum(dim=1)
