"""What objectives that hide patches share: what is hidden, what should be predicted, and pictures.

Of most inputs everything is predicted. A series holds F values and F flags of what was observed; of
it the values are predicted, and a painting counts only where one was observed: in the other places
stand zeros that nobody measured. The flags themselves are no target: what was measured when tells
about the ward as much as about the patient, and an encoder should not be rewarded for knowing it.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from medfm_cli.commands.pretrain.objectives.base import Objective
from medfm_cli.commands.pretrain.objectives.figures import FigureContext, Reconstruction, draw
from medfm_cli.commands.pretrain.objectives.patches import Grid, patchify, unpatchify
from medfm_cli.models.inputs import normalise
from medfm_cli.training.views import draw_view

if TYPE_CHECKING:
    from medfm_cli.data.batch import Batch
    from medfm_cli.data.inputs import AnyInput
    from medfm_cli.models.backbones import Backbone
    from medfm_cli.runs import Run
    from medfm_cli.runs.blocks import Block
    from medfm_cli.training.randomness import StepRandom


class Target(NamedTuple):
    """What should be predicted, patch by patch."""

    patches: Tensor  # [B,N,P]
    counts: Tensor | None  # [B,N,P], 1 where a painting is compared and 0 elsewhere; None: 1


class Masked(Objective):
    """An objective that hides patches of its input and paints them."""

    mask_ratio: float
    note: str = ""  # what else to say under the pictures

    def inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Draw a view [B,C,*space] of every sample, and the noise that decides what is hidden."""
        values = draw_view(batch.values, self.context.views, self.preprocessing, random)
        return self._inputs(values, random)

    def plain_inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Take the samples as they are; the noise is drawn as in `inputs`."""
        return self._inputs(normalise(batch.values, self.preprocessing), random)

    @abstractmethod
    def draws(self, grid: Grid) -> int:
        """How many numbers decide what is hidden of a grid of patches."""

    @abstractmethod
    def reconstruct_patches(self, values: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Give every patch painted [B,N,P] in the units of `values`, and which were hidden [B,N].

        What is painted over a patch that was not hidden means nothing.
        """

    def target(self, values: Tensor) -> Target:
        """Give what should be painted of [B,C,*space]."""
        if not has_flags(self.preprocessing):
            return Target(patchify(values, self.backbone.patch), None)
        wanted, observed = values.chunk(2, dim=1)
        counts = patchify((observed > 0.5).to(values.dtype), self.backbone.patch)
        return Target(patchify(wanted, self.backbone.patch), counts)

    @torch.no_grad()
    def figures(
        self, batch: Batch, captions: Sequence[str], random: StepRandom, run: Run
    ) -> list[Block]:
        """Show each sample as it is, what was left visible, and the whole painted from that."""
        figure = FigureContext(
            samples=self.reconstruct(**self.plain_inputs(batch, random)),
            captions=captions,
            preprocessing=self.preprocessing,
            ratio=self.mask_ratio,
            note=self.note,
            run=run,
        )
        return draw(figure)

    def reconstruct(self, values: Tensor, noise: Tensor) -> Reconstruction:
        """Put the predicted patches in the places of the hidden ones."""
        predicted, hidden = self.reconstruct_patches(values, noise)
        target = self.target(values)
        places = hidden.unsqueeze(-1)
        whole = torch.where(places, predicted.to(target.patches.dtype), target.patches)
        patch, grid = self.backbone.patch, self.backbone.grid_of(values)
        counts = torch.ones_like(whole) if target.counts is None else target.counts
        parts = (target.patches, whole, places.expand_as(whole), counts)
        values, whole, covered, known = (unpatchify(part, patch, grid) for part in parts)
        return Reconstruction(values, whole, covered.bool(), known.bool())

    def _inputs(self, values: Tensor, random: StepRandom) -> dict[str, Tensor]:
        grid = self.backbone.grid_of(values)
        return {"values": values, "noise": random.uniform("mask", self.draws(grid))}


def target_size(backbone: Backbone, preprocessing: AnyInput) -> int:
    """How many numbers of a patch are painted: P."""
    numbers = backbone.spec.channels * math.prod(backbone.patch)
    return numbers // 2 if has_flags(preprocessing) else numbers


def has_flags(preprocessing: AnyInput) -> bool:
    """Whether the second half of the channels says what of the first was observed."""
    return preprocessing.kind == "series"


def mean_where(errors: Tensor, counts: Tensor) -> Tensor:
    """The mean of each sample's errors [B,…] where `counts` is 1; 0 where it is nowhere."""
    axes = tuple(range(1, errors.ndim))
    return (errors * counts).sum(dim=axes) / counts.sum(dim=axes).clamp(min=1)
