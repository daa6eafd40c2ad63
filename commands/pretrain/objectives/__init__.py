"""Self-supervised objectives, by name. One file, one of options and one line here make a new one.

Torch-free.
"""

from __future__ import annotations

from medfm_cli.commands.pretrain.objectives.options.dino import DinoOptions
from medfm_cli.commands.pretrain.objectives.options.dinov2 import Dinov2Options
from medfm_cli.commands.pretrain.objectives.options.mae import Decoder, MaeOptions
from medfm_cli.commands.pretrain.objectives.options.mocov3 import Mocov3Options
from medfm_cli.commands.pretrain.objectives.options.pairs import ClipOptions, SiglipOptions
from medfm_cli.commands.pretrain.objectives.options.simclr import SimclrOptions
from medfm_cli.commands.pretrain.objectives.options.simmim import SimMimOptions
from medfm_cli.recipe import Registry

__all__ = [
    "OBJECTIVES",
    "ClipOptions",
    "Decoder",
    "DinoOptions",
    "Dinov2Options",
    "MaeOptions",
    "Mocov3Options",
    "SiglipOptions",
    "SimMimOptions",
    "SimclrOptions",
]

OBJECTIVES = Registry(
    "objective",
    [
        MaeOptions,
        SimMimOptions,
        SimclrOptions,
        Mocov3Options,
        DinoOptions,
        Dinov2Options,
        ClipOptions,
        SiglipOptions,
    ],
    entry_point_group="medfm.objectives",
)
