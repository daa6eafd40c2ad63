"""SimCLR: Chen, Kornblith, Norouzi & Hinton, ICML 2020, arXiv 2002.05709.

Two random views of every sample are encoded by the same encoder f and a small head g:

```
h = f(view)        [2B, D]     the features that are kept
z = g(h)           [2B, K]     an MLP with BatchNorm, discarded
```

and NT-Xent (eq. 1, `similarity.nt_xent`) identifies for each view, among the other 2B − 1, the
other view of the same sample. The head and its BatchNorm act on the whole batch, over all
processes. Differences of ours: for vision transformers h is the mean of the patch tokens; samples
of one subject are not negatives of each other unless `subject_aware` is off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
from medfm_cli.commands.pretrain.objectives.contrastive import Contrastive
from medfm_cli.commands.pretrain.objectives.heads import perceptron
from medfm_cli.commands.pretrain.objectives.similarity import Contrast, nt_xent

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.objectives import SimclrOptions
    from medfm_cli.models.backbones import Backbone


class Simclr(Contrastive):
    """SimCLR as a task of the training loop."""

    def __init__(
        self, backbone: Backbone, options: SimclrOptions, context: ObjectiveContext
    ) -> None:
        super().__init__(backbone, options, context)
        self.options = options
        head = options.head
        self.head = perceptron(
            backbone.dim, head.hidden, head.out, layers=head.layers, last_norm=True
        )

    def contrast(self, first: Tensor, second: Tensor, groups: Tensor) -> Contrast:  # type: ignore[override]
        """Compare normalised views [b,C,…] of samples of `groups` [b]."""
        features = self.backbone(torch.cat([first, second]))
        pairs = self.whole(torch.stack(features.chunk(2), dim=1))
        first, second = self.head(pairs.transpose(0, 1).flatten(0, 1)).chunk(2)
        return nt_xent(
            first,
            second,
            self.whole(groups),
            temperature=self.options.temperature,
            same=self.options.same_subject,
        )
