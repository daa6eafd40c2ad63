"""Pictures for the report of what was painted over the hidden patches, drawn as each kind is read.

Images and volumes hang on a light box, signals are traces, series and sounds are maps in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medfm_cli.commands.pretrain.objectives.pictures.images import images
from medfm_cli.commands.pretrain.objectives.pictures.repainted import Repainted, Shown

if TYPE_CHECKING:
    from medfm_cli.runs.blocks import Block

__all__ = ["Repainted", "Shown", "draw"]

_DRAWN_AS = {"image": images}


def draw(shown: Shown) -> list[Block]:
    """Draw some samples as their kind asks for; nothing where no drawing is known."""
    drawing = _DRAWN_AS.get(shown.kind)
    return [drawing(shown)] if drawing else []
