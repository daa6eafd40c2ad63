"""Shared by DINO and DINOv2: crops, a head with prototypes, and an EMA teacher of both."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from medfm_cli.commands.pretrain.objectives.base import Objective, ObjectiveContext
from medfm_cli.commands.pretrain.objectives.multicrop import choose_local_size, draw_crops
from medfm_cli.commands.pretrain.objectives.prototypes import PrototypeHead
from medfm_cli.commands.pretrain.objectives.soft_targets import cross_entropy, entropy, usage
from medfm_cli.training.teacher import Teacher, momentum_at

if TYPE_CHECKING:
    from medfm_cli.commands.pretrain.objectives.options.distillation import Distillation
    from medfm_cli.data.batch import Batch
    from medfm_cli.models.backbones import Backbone
    from medfm_cli.training.randomness import StepRandom


class SelfDistillation(Objective):
    """A student that learns from the moving average of itself.

    The head sees the mean of the patch tokens, also if the backbone has a class token: these
    features are evaluated, saved and used afterwards. The teacher is saved: its features are
    better than the student's throughout training (DINO, §5.1).

    Attributes:
        teacher: moving average of the backbone.
        head, teacher_head: from features to logits over prototypes.
    """

    def __init__(
        self, backbone: Backbone, options: Distillation, context: ObjectiveContext
    ) -> None:
        """Set up heads and teachers for `backbone`.

        Raises:
            UsageError: the backbone cannot take the small crops.
        """
        super().__init__(backbone, context)
        self.options = options
        self.local_size = choose_local_size(options.crops, backbone)
        self.head = PrototypeHead(backbone.dim, options.head)
        self.teacher = Teacher(backbone)
        self.teacher_head = Teacher(self.head)

    @property
    def encoder(self) -> Backbone:
        """The teacher's backbone."""
        return self.teacher.module

    @property
    def highest_entropy(self) -> float:
        """Entropy of uniform targets, log K."""
        return math.log(self.options.head.prototypes)

    def inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Draw the crops, and give the teacher's temperature at this step, a scalar."""
        return self.crops(batch, random) | {"temperature": self._temperature(random.step)}

    def plain_inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Draw the crops from `random`; the temperature is the final one."""
        return self.crops(batch, random) | {"temperature": self._temperature(self.context.steps)}

    def crops(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Draw the random inputs."""
        crops = self.options.crops
        return draw_crops(batch.values, crops, self.context, random, local_size=self.local_size)

    def pairs(self) -> list[tuple[nn.Module, Teacher[Any]]]:
        """The trained modules, each with its teacher."""
        return [(self.backbone, self.teacher), (self.head, self.teacher_head)]

    def before_step(self, step: int) -> None:
        """Freeze the prototypes in the first epochs (DINO, appendix C: "freeze the last layer")."""
        if step < round(self.options.freeze_epochs * self.context.epoch_steps):
            for student, _ in self.pairs():
                if isinstance(student, PrototypeHead):
                    student.hold_prototypes()

    def after_step(self, step: int) -> None:
        """Update the teachers."""
        momentum = momentum_at(step, steps=self.context.steps, start=self.options.momentum)
        for student, teacher in self.pairs():
            teacher.update(student, momentum)

    def compare(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Give the loss of every image [B]: the mean of H(p_t, q_s) over pairs of different crops.

        ```
        l = 1 / (2 (V − 1)) Σ_{t ∈ {1, 2}} Σ_{s ≠ t} H(p_t, q_s)          V = 2 + n crops
        ```

        Args:
            logits: the student's, [V·B, K]: the two large crops first.
            targets: the teacher's, [2B, K].
        """
        first, second = targets.chunk(2)
        views = logits.view(-1, *first.shape)
        temperature = self.options.student_temperature
        # Both teachers' distributions are compared with a small crop at once: H is linear in p.
        total = cross_entropy(views[0], second, temperature)
        total = total + cross_entropy(views[1], first, temperature)
        if len(views) > 2:
            small = cross_entropy(views[2:], (first + second) / 2, temperature)
            total = total + 2 * small.sum(dim=0)
        return total / (2 * (len(views) - 1))

    @torch.no_grad()
    def observe(self, targets: Tensor, losses: Tensor) -> dict[str, Tensor]:
        """Give scalars that detect collapse, from targets [2B, K] and losses [B].

        `teacher_entropy` H(p) in nats, `teacher_kl` the mean KL divergence from the student to the
        teacher, H(p, q) − H(p), and the `prototype_usage` of `soft_targets.usage`.
        """
        mean = entropy(targets).mean()
        return {
            "teacher_entropy": mean,
            "teacher_kl": losses.mean() - mean,
            "prototype_usage": usage(targets),
        }

    def _temperature(self, step: int) -> Tensor:
        """Linear increase during the warm-up."""
        low, high = self.options.teacher_temperature
        warmup = self.options.temperature_warmup * self.context.steps
        part = min(1.0, step / warmup) if warmup else 1.0
        device = next(self.parameters()).device
        return torch.tensor(low + (high - low) * part, device=device)
