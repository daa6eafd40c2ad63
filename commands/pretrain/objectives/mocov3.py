"""MoCo v3: Chen, Xie & He, ICCV 2021, arXiv 2104.02057.

Two views v₁, v₂ of every sample go through an encoder f, a projection g and a prediction p, and
through a teacher (f̄, ḡ), the moving average of (f, g) that gets no gradient:

```
q_n = p(g(f(v_n)))      k_n = ḡ(f̄(v_n))                [B, K]        n = 1, 2
L = ctr(q₁, k₂) + ctr(q₂, k₁)
θ̄ ← m θ̄ + (1 − m) θ     after every step; m from 0.99 to 1 along half a cosine
```

with InfoNCE for ctr (`similarity.info_nce`, eq. 1 and algorithm 1). There is no queue: the keys
are the batch's own. The patch projection of a transformer stays at its random initial values, which
made training stable (§4.3). Differences of ours: no class token (features are the mean of
the patch tokens), positions are trained, and samples of one subject are not negatives of each other
unless `subject_aware` is off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
from medfm_cli.commands.pretrain.objectives.contrastive import Contrastive
from medfm_cli.commands.pretrain.objectives.heads import perceptron
from medfm_cli.commands.pretrain.objectives.similarity import Contrast, info_nce
from medfm_cli.training.teacher import Teacher, momentum_at

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.objectives import Mocov3Options
    from medfm_cli.models.backbones import Backbone


class Mocov3(Contrastive):
    """MoCo v3 as a task of the training loop."""

    def __init__(
        self, backbone: Backbone, options: Mocov3Options, context: ObjectiveContext
    ) -> None:
        super().__init__(backbone, options, context)
        self.options = options
        if options.freeze_patches:
            _freeze_patches(backbone)
        head, out = options.head, options.head.out
        self.project = perceptron(
            backbone.dim, head.hidden, out, layers=head.layers, last_norm=True
        )
        self.predict = perceptron(out, head.hidden, out, layers=2, last_norm=True)
        self.teacher = Teacher(backbone)
        self.teacher_project = Teacher(self.project)

    def contrast(self, first: Tensor, second: Tensor, groups: Tensor) -> Contrast:  # type: ignore[override]
        """Compare normalised views [b,C,…] of samples of `groups` [b].

        Each view goes through the networks on its own, and so has its own statistics in BatchNorm.
        """
        all_groups = self.whole(groups)
        queries, keys = (
            [head(self.whole(encoder(view))) for view in (first, second)]
            for encoder, head in (
                (self.backbone, self._predict),
                (self.teacher, self.teacher_project),
            )
        )
        directions = [
            info_nce(
                query,
                key,
                all_groups,
                temperature=self.options.temperature,
                same=self.options.same_subject,
            )
            for query, key in zip(queries, reversed(keys), strict=True)
        ]
        losses, matched = (torch.stack(values) for values in zip(*directions, strict=True))
        return Contrast(losses.sum(dim=0), matched.mean(dim=0))

    def after_step(self, step: int) -> None:
        """Update the teacher."""
        momentum = momentum_at(step, steps=self.context.steps, start=self.options.momentum)
        self.teacher.update(self.backbone, momentum)
        self.teacher_project.update(self.project, momentum)

    def _predict(self, features: Tensor) -> Tensor:
        prediction: Tensor = self.predict(self.project(features))
        return prediction


def _freeze_patches(backbone: Backbone) -> None:
    """Keep the patch projection of a transformer as it is; other networks have none."""
    patches = getattr(backbone.net, "patch_embed", None)
    if patches is not None:
        patches.requires_grad_(False)
