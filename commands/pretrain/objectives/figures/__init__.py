"""Figures of reconstructions for the report, each kind drawn as its readers expect it.

Images and volumes are contact sheets, signals are traces, series and audio are maps over time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.commands.pretrain.objectives.figures.images import images
from medfm_cli.commands.pretrain.objectives.figures.maps import audio, series
from medfm_cli.commands.pretrain.objectives.figures.reconstruction import Reconstruction, Shown
from medfm_cli.commands.pretrain.objectives.figures.traces import traces
from medfm_cli.commands.pretrain.objectives.figures.volumes import volumes

if TYPE_CHECKING:
    from medfm_cli.runs.blocks import Block

__all__ = ["Reconstruction", "Shown", "draw"]

_DRAWINGS = {
    "image": images,
    "volume": volumes,
    "signal": traces,
    "series": series,
    "audio": audio,
}


def draw(shown: Shown) -> list[Block]:
    """Draw some samples in the way of their kind."""
    return [_DRAWINGS[shown.preprocessing.kind](shown)]
