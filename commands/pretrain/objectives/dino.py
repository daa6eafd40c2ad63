"""DINO: Caron, Touvron, Misra, Jégou, Mairal, Bojanowski & Joulin, ICCV 2021, arXiv 2104.14294.

Every image x becomes two large crops and n small ones (`multicrop`). The student f_θ, backbone and
head, sees all V = n + 2; the teacher f_θ̄ the two large ones. Both give logits over K prototypes
(`prototypes`), and the student learns to predict for each crop the teacher's output for the *other*
large crops:

```
p_t = softmax((f_θ̄(x_t) − c) / τ_t)                t = 1, 2                 no gradient
q_s = softmax(f_θ(x_s) / τ_s)                      s = 1 … V
L = 1 / (2 (V − 1)) Σ_t Σ_{s ≠ t} H(p_t, q_s)      H(p, q) = −Σ_k p_k log q_k
θ̄ ← m θ̄ + (1 − m) θ                                after every step (`teacher`)
c ← 0.9 c + 0.1 mean(f_θ̄)                           over the global batch (`centering`)
```

Equations: §3.1 of the paper. m rises to 1 along half a cosine, τ_t linearly during its
warm-up, and the prototypes are frozen in the first epoch. Works with any backbone; differences of
ours: the head sees the mean of the patch tokens instead of a class token, and the large crops of a
sample come after one another in one batch, so that teacher and student run once over both.

There are two kinds of collapse, monitored through `teacher_entropy`: 0 if one prototype wins
everywhere (the centre prevents it), log K if all are equal (the low τ_t prevents it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
from medfm_cli.commands.pretrain.objectives.centering import Centre
from medfm_cli.commands.pretrain.objectives.distillation import SelfDistillation

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.objectives.options.dino import DinoOptions
    from medfm_cli.models.backbones import Backbone


class Dino(SelfDistillation):
    """DINO as a task of the training loop."""

    options: DinoOptions

    def __init__(self, backbone: Backbone, options: DinoOptions, context: ObjectiveContext) -> None:
        """Set up heads, teachers and the centre. Raises UsageError as `SelfDistillation`."""
        super().__init__(backbone, options, context)
        self.centre = Centre(options.head.prototypes, momentum=options.centre_momentum)

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Give the loss and scalars that detect collapse; the centre accumulates the batch."""
        logits = self.teach(inputs["globals"])
        targets = self.centre.targets(logits, inputs["temperature"])
        losses = self.learn(targets, **inputs)
        self.centre.see(logits)
        return {"loss": losses, **self.observe(targets, losses)}

    def losses(self, **inputs: Tensor) -> Tensor:
        """Give the loss of each image, [B]; the state does not change."""
        targets = self.centre.targets(self.teach(inputs["globals"]), inputs["temperature"])
        return self.learn(targets, **inputs)

    @torch.no_grad()
    def teach(self, images: Tensor) -> Tensor:
        """Give the teacher's logits [2B, K] of the large crops."""
        logits: Tensor = self.teacher_head(self.teacher(images))
        return logits.float()

    def learn(self, targets: Tensor, **inputs: Tensor) -> Tensor:
        """Give the student's losses [B]: one pass over the large crops, one over the small."""
        features = [self.backbone(inputs[name]) for name in ("globals", "locals") if name in inputs]
        return self.compare(self.head(torch.cat(features)), targets)

    def after_step(self, step: int) -> None:
        """Update the teachers and the centre."""
        super().after_step(step)
        self.centre.update()
