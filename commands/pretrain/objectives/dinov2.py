"""DINOv2: Oquab, Darcet, Moutakanni et al. 2023, arXiv 2304.07193.

Three losses on the crops of DINO (see `dino` for the symbols, and `multicrop`):

```
L = L_DINO + L_iBOT + 0.1 · Σ_{t ∈ {1, 2}} L_KoLeo(z_t)

L_iBOT = mean over large crops of 1/|M| Σ_{i ∈ M} H(p_i, q_i)      0 where nothing is hidden
```

- L_DINO compares images, from the mean of the patch tokens;
- L_iBOT (Zhou et al. 2021, arXiv 2111.07832) compares patches: the student sees a large crop with
  the patches M replaced by a learned token (`block_masks`) and has to predict what the teacher,
  which sees all patches, gives them; with a head of its own or, as in iBOT, the same;
- L_KoLeo (`koleo`) spreads the student's features z_t of the large crops over the sphere, each crop
  for itself and over the whole global batch.

The teacher's distributions p are balanced by Sinkhorn-Knopp over the global batch (`sinkhorn`) or
centred as in DINO; images and patches apart. Of the two large crops of an image one, by a draw, has
patches hidden, a part of them uniform in 0.1 … 0.5: the paper hides in half of the crops too, but
draws which for each. LayerScale and drop path are the backbone's options.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
from medfm_cli.commands.pretrain.objectives.block_masks import ROUNDS, block_masks, mask_counts
from medfm_cli.commands.pretrain.objectives.centering import Centre
from medfm_cli.commands.pretrain.objectives.distillation import SelfDistillation
from medfm_cli.commands.pretrain.objectives.koleo import koleo
from medfm_cli.commands.pretrain.objectives.prototypes import PrototypeHead
from medfm_cli.commands.pretrain.objectives.sinkhorn import sinkhorn
from medfm_cli.commands.pretrain.objectives.soft_targets import cross_entropy
from medfm_cli.errors import UsageError
from medfm_cli.training.gather import gather_rows
from medfm_cli.training.teacher import Teacher

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medfm_cli.commands.pretrain.objectives.options.dinov2 import Dinov2Options
    from medfm_cli.data.batch import Batch
    from medfm_cli.models.backbones import Backbone
    from medfm_cli.training.randomness import StepRandom


class TeacherOutput(NamedTuple):
    """The teacher's output for the large crops [2B, K] and their hidden patches [M, K]."""

    logits: Tensor
    targets: Tensor
    patch_logits: Tensor
    patch_targets: Tensor


class Parts(NamedTuple):
    """The three losses, of every image [B] or their means."""

    images: Tensor
    patches: Tensor
    spread: Tensor


class Dinov2(SelfDistillation):
    """DINOv2 as a task of the training loop."""

    options: Dinov2Options

    def __init__(
        self, backbone: Backbone, options: Dinov2Options, context: ObjectiveContext
    ) -> None:
        """Set up heads, teachers, mask token and centres.

        Raises:
            UsageError: the backbone is not a plain vision transformer, or cannot take the crops.
        """
        if not backbone.maskable:
            raise UsageError(
                f"dinov2 hides patches, and the backbone {backbone.spec.name} has none to hide",
                hint="choose a vision transformer (vit_…), or the objective dino",
            )
        super().__init__(backbone, options, context)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, backbone.dim))
        nn.init.normal_(self.mask_token, std=0.02)
        if not options.shared_head:
            self.patch_head = PrototypeHead(backbone.dim, options.head)
            self.teacher_patch_head = Teacher(self.patch_head)
        if options.balance == "centering":
            width, momentum = options.head.prototypes, options.centre_momentum
            self.centre = Centre(width, momentum=momentum)
            self.patch_centre = Centre(width, momentum=momentum)

    def no_weight_decay(self) -> set[str]:
        """The parameters without weight decay."""
        return {"mask_token"}

    def crops(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Draw the crops, and which patches are hidden in the large ones.

        `masks` bool [2B, N]; `hidden` int64 [M], where they are true in the flattened masks.
        """
        masks = self._draw_masks(random)
        hidden = masks.flatten().nonzero()[:, 0]  # on the CPU: no synchronisation
        device = batch.values.device
        chosen = {"masks": masks.to(device), "hidden": hidden.to(device)}
        return super().crops(batch, random) | chosen

    def pairs(self) -> list[tuple[nn.Module, Teacher[Any]]]:
        """The trained modules, each with its teacher."""
        if self.options.shared_head:
            return super().pairs()
        return [*super().pairs(), (self.patch_head, self.teacher_patch_head)]

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Give the loss, its parts, and scalars that detect collapse; centres see the batch."""
        teacher_output = self.teach(**inputs)
        parts = self.learn(teacher_output, **inputs)
        if self.options.balance == "centering":
            self.centre.see(teacher_output.logits)
            self.patch_centre.see(teacher_output.patch_logits)
        means = Parts(*(part.mean() for part in parts))
        return {
            "loss": self._total(means),
            "loss_dino": means.images,
            "loss_ibot": means.patches,
            "loss_koleo": means.spread,
            **self.observe(teacher_output.targets, parts.images),
        }

    def losses(self, **inputs: Tensor) -> Tensor:
        """Give the loss of each image, [B], in one process; the state does not change."""
        return self._total(self.learn(self.teach(**inputs), **inputs))

    @torch.no_grad()
    def teach(self, **inputs: Tensor) -> TeacherOutput:
        """Give the teacher's logits and targets, of the large crops and of their hidden patches."""
        tokens = self.teacher.module.tokens(inputs["globals"])
        logits = self.teacher_head(tokens.mean(dim=1)).float()
        head = self.teacher_head if self.options.shared_head else self.teacher_patch_head
        patch_logits = head(tokens.flatten(0, 1)[inputs["hidden"]]).float()
        temperature, options = inputs["temperature"], self.options
        if options.balance == "centering":
            targets = self.centre.targets(logits, temperature)
            patch_targets = self.patch_centre.targets(patch_logits, temperature)
        else:
            rounds = options.sinkhorn_rounds
            targets = sinkhorn(logits, temperature, rounds=rounds)
            patch_targets = sinkhorn(patch_logits, temperature, rounds=rounds)
        return TeacherOutput(logits, targets, patch_logits, patch_targets)

    def learn(self, teacher_output: TeacherOutput, **inputs: Tensor) -> Parts:
        """Give the three losses; the student runs once over the large crops, once over the small.

        The small crops have no masks. KoLeo compares the images of all processes, so that each
        process gives the same B values for the whole batch.
        """
        tokens = self.encode_masked(inputs["globals"], inputs["masks"])
        features = tokens.mean(dim=1)
        small = [self.backbone(inputs["locals"])] if "locals" in inputs else []
        logits = self.head(torch.cat([features, *small]))
        head = self.head if self.options.shared_head else self.patch_head
        patch_logits = head(tokens.flatten(0, 1)[inputs["hidden"]])
        first, second = features.chunk(2)
        return Parts(
            images=self.compare(logits, teacher_output.targets),
            patches=self._compare_patches(patch_logits, teacher_output.patch_targets, **inputs),
            spread=koleo(gather_rows(first)) + koleo(gather_rows(second)),
        )

    def encode_masked(self, images: Tensor, masks: Tensor) -> Tensor:
        """Give the tokens [2B, N, D] of images whose patches `masks` [2B, N] are hidden."""
        embedded = self.backbone.embed(images)
        blank = self.mask_token + self.backbone.positions(self.backbone.grid)
        return self.backbone.encode(torch.where(masks.unsqueeze(-1), blank, embedded))

    def after_step(self, step: int) -> None:
        """Update the teachers and the centres."""
        super().after_step(step)
        if self.options.balance == "centering":
            self.centre.update()
            self.patch_centre.update()

    def _compare_patches(self, logits: Tensor, targets: Tensor, **inputs: Tensor) -> Tensor:
        """Give L_iBOT of every image [B], from the hidden patches' logits and targets [M, K]."""
        masks = inputs["masks"]
        count = masks.sum(dim=1).clamp(min=1)
        crop = inputs["hidden"] // masks.shape[1]
        single = cross_entropy(logits, targets, self.options.student_temperature) / count[crop]
        crops = single.new_zeros(len(masks)).index_add(0, crop, single)
        return crops.view(2, -1).mean(dim=0)

    def _total(self, parts: Parts) -> Tensor:
        weights = self.options
        return (
            parts.images
            + weights.patch_weight * parts.patches
            + weights.koleo_weight * parts.spread
        )

    def _draw_masks(self, random: StepRandom) -> Tensor:
        rows, columns = self.backbone.grid
        low, high = self.options.mask_ratio

        def draw(purpose: str, *shape: int) -> NDArray[np.float64]:
            return random.uniform(f"mask {purpose}", *shape).cpu().double().numpy()

        counts = mask_counts(draw("part"), low=low, high=high, patches=rows * columns)
        noise = draw("rest", rows * columns)
        masks = block_masks(counts, draw("blocks", ROUNDS, 4), noise, grid=(rows, columns))
        second = draw("crop") < 0.5
        both = np.concatenate([masks & ~second[:, None], masks & second[:, None]])
        return torch.from_numpy(both)
