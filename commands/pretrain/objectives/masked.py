"""Shared by objectives that hide patches: the targets of masked patches, and figures.

Most inputs are targets as a whole. A series holds F values and F flags of observed values; only the
values are predicted, and only where they were observed: the others are zeros that were not
measured. The flags are not a target: the times of measurements depend on the ward as much as on the
patient, and an encoder should not be rewarded for predicting them.
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
    """The target of the prediction, patch by patch."""

    patches: Tensor  # [B,N,P]
    counts: Tensor | None  # [B,N,P], 1 where a prediction is compared and 0 elsewhere; None: 1


class Masked(Objective):
    """An objective that hides patches of its input and predicts them."""

    mask_ratio: float
    note: str = ""  # text added to the caption of the figures

    def inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Draw a view [B,C,*space] of every sample, and the noise that decides the mask."""
        values = draw_view(batch.values, self.context.views, self.preprocessing, random)
        return self._inputs(values, random)

    def plain_inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        """Take the samples as they are; the noise is drawn as in `inputs`."""
        return self._inputs(normalise(batch.values, self.preprocessing), random)

    @abstractmethod
    def draws(self, grid: Grid) -> int:
        """How many random numbers decide which patches of a grid are hidden."""

    @abstractmethod
    def reconstruct_patches(self, values: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Give every predicted patch [B,N,P] in the units of `values`, and the hidden ones [B,N].

        Predictions of patches that were not hidden have no meaning.
        """

    def target(self, values: Tensor) -> Target:
        """The target of inputs [B,C,*space]."""
        if not has_flags(self.preprocessing):
            return Target(patchify(values, self.backbone.patch), None)
        measurements, observed = values.chunk(2, dim=1)
        counts = patchify((observed > 0.5).to(values.dtype), self.backbone.patch)
        return Target(patchify(measurements, self.backbone.patch), counts)

    @torch.no_grad()
    def figures(
        self, batch: Batch, captions: Sequence[str], random: StepRandom, run: Run
    ) -> list[Block]:
        """Show each sample, its visible patches, and the reconstruction."""
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
        """Replace the hidden patches with the predicted ones."""
        predicted, hidden = self.reconstruct_patches(values, noise)
        target = self.target(values)
        masks = hidden.unsqueeze(-1)
        whole = torch.where(masks, predicted.to(target.patches.dtype), target.patches)
        patch, grid = self.backbone.patch, self.backbone.grid_of(values)
        counts = torch.ones_like(whole) if target.counts is None else target.counts
        parts = (target.patches, whole, masks.expand_as(whole), counts)
        values, whole, covered, known = (unpatchify(part, patch, grid) for part in parts)
        return Reconstruction(values, whole, covered.bool(), known.bool())

    def _inputs(self, values: Tensor, random: StepRandom) -> dict[str, Tensor]:
        grid = self.backbone.grid_of(values)
        return {"values": values, "noise": random.uniform("mask", self.draws(grid))}


def target_size(backbone: Backbone, preprocessing: AnyInput) -> int:
    """How many numbers of a patch are predicted: P."""
    numbers = backbone.spec.channels * math.prod(backbone.patch)
    return numbers // 2 if has_flags(preprocessing) else numbers


def has_flags(preprocessing: AnyInput) -> bool:
    """Whether the second half of the channels flags the observed values of the first."""
    return preprocessing.kind == "series"


def mean_where(errors: Tensor, counts: Tensor) -> Tensor:
    """The mean of each sample's errors [B,…] where `counts` is 1; 0 where it is nowhere."""
    axes = tuple(range(1, errors.ndim))
    return (errors * counts).sum(dim=axes) / counts.sum(dim=axes).clamp(min=1)
