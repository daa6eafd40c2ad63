"""Multi-crop: every image as two large crops and several small ones.

Teacher and student see the large ones; only the student sees the small ones, and has to predict
from a part of the image the teacher's output for most of it. Source: SwAV (Caron et al. 2020,
arXiv 2006.09882, §3.2), as used by DINO (Caron et al. 2021, arXiv 2104.14294, §3.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medfm_cli.commands.pretrain.objectives.options.distillation import LOCAL_PART
from medfm_cli.errors import UsageError
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.training.views import draw_view

if TYPE_CHECKING:
    from torch import Tensor

    from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
    from medfm_cli.commands.pretrain.objectives.options.distillation import Crops
    from medfm_cli.models.backbones import Backbone
    from medfm_cli.training.randomness import StepRandom

GLOBALS = 2
"""Large crops of every image."""


def draw_crops(
    values: Tensor,
    options: Crops,
    context: ObjectiveContext,
    random: StepRandom,
    *,
    local_size: int,
) -> dict[str, Tensor]:
    """Draw all crops of uint8 images [B,C,S,S], normalised, crop by crop.

    Returns:
        `globals` [2B,C,S,S], and `locals` [nB,C,s,s] where there are small crops.
    """
    views = context.views
    crops = {
        "globals": [
            draw_view(
                values,
                views if number == 0 else views.version("second"),
                context.preprocessing,
                random,
                name=f"global{number}",
                crop=(options.global_area[0], options.global_area[1]),
            )
            for number in range(GLOBALS)
        ],
        "locals": [
            draw_view(
                values,
                views.version("local"),
                context.preprocessing,
                random,
                name=f"local{number}",
                crop=(options.local_area[0], options.local_area[1]),
                size=local_size,
            )
            for number in range(options.local_count)
        ],
    }
    return {name: torch.cat(parts) for name, parts in crops.items() if parts}


def choose_local_size(options: Crops, backbone: Backbone) -> int:
    """Resolve the side of the small crops: a multiple of the patch, if the backbone has patches.

    Raises:
        UsageError: the backbone does not take images, or not crops of this size.
    """
    spec = backbone.spec
    if not isinstance(spec, BackboneSpec):
        raise UsageError(
            f"small crops need images, and these samples are of the kind {spec.kind}",
            hint="choose another objective: mae and simclr take every kind",
        )
    whole = spec.image_size
    patch = backbone.patch_size if backbone.maskable else 1
    default = max(patch, round(LOCAL_PART * whole / patch) * patch)
    size: int = default if options.local_size == "auto" else options.local_size
    if not options.local_count:
        return size
    if size % patch or size > whole:
        nearest = min(whole, max(patch, round(size / patch) * patch))
        raise UsageError(
            f"small crops of {size} pixels do not fit images of {whole} and patches of {patch}",
            hint=f"set objective.crops.local_size={nearest}",
        )
    if not backbone.maskable:
        _try(backbone, size)
    return size


@torch.no_grad()
def _try(backbone: Backbone, size: int) -> None:
    """Check whether a timm network takes images of another size than its own."""
    training = backbone.training
    try:
        backbone.eval()(torch.zeros(1, backbone.spec.channels, size, size))
    except Exception as error:  # timm's networks raise many kinds of errors
        raise UsageError(
            f"the backbone {backbone.spec.name} does not take crops of {size} pixels",
            hint="set objective.crops.local_count=0, or choose a vision transformer or a convnet",
        ) from error
    finally:
        backbone.train(training)
