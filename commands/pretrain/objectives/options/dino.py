"""Options of DINO. Torch-free."""

from __future__ import annotations

from typing import ClassVar, Literal

from medfm_cli.commands.pretrain.objectives.options.distillation import Distillation


class DinoOptions(Distillation):
    """Self-distillation (Caron et al. 2021): crops of an image get the same prototypes."""

    name: Literal["dino"] = "dino"
    implementation: ClassVar[str] = "medfm_cli.commands.pretrain.objectives.dino:Dino"
