"""Figures of reconstructions for the report, in the usual form of each kind.

Images and volumes are contact sheets, signals are traces, series and audio are maps over time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.commands.pretrain.objectives.figures.images import images
from medfm_cli.commands.pretrain.objectives.figures.maps import audio, series
from medfm_cli.commands.pretrain.objectives.figures.reconstruction import (
    FigureContext,
    Reconstruction,
)
from medfm_cli.commands.pretrain.objectives.figures.traces import traces
from medfm_cli.commands.pretrain.objectives.figures.volumes import volumes

if TYPE_CHECKING:
    from medfm_cli.runs.blocks import Block

__all__ = ["FigureContext", "Reconstruction", "draw"]

_DRAWINGS = {
    "image": images,
    "volume": volumes,
    "signal": traces,
    "series": series,
    "audio": audio,
}


def draw(context: FigureContext) -> list[Block]:
    """Draw some samples in the way of their kind."""
    return [_DRAWINGS[context.preprocessing.kind](context)]
