"""Multi-crop: every image as two large crops and several small ones.

Teacher and student see the large ones; the small ones are the student's alone, which has to find
in a part of the image what the teacher finds in most of it. Source: SwAV (Caron et al. 2020, arXiv
2006.09882, §3.2), as used by DINO (Caron et al. 2021, arXiv 2104.14294, §3.1).
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
    """Draw all crops of uint8 images [B,C,S,S], normalised, one crop of all images after another.

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
    """Settle the side of the small crops: whole patches where there are patches.

    Raises:
        UsageError: the backbone takes no images, or not such crops.
    """
    spec = backbone.spec
    if not isinstance(spec, BackboneSpec):
        raise UsageError(
            f"small crops are made of images, and these samples are of the kind {spec.kind}",
            hint="choose another objective: mae and simclr take every kind",
        )
    whole = spec.image_size
    patch = backbone.patch_size if backbone.maskable else 1
    own = max(patch, round(LOCAL_PART * whole / patch) * patch)
    size: int = own if options.local_size == "auto" else options.local_size
    if not options.local_count:
        return size
    if size % patch or size > whole:
        near = min(whole, max(patch, round(size / patch) * patch))
        raise UsageError(
            f"small crops of {size} pixels do not fit images of {whole} and patches of {patch}",
            hint=f"set objective.crops.local_size={near}",
        )
    if not backbone.maskable:
        _try(backbone, size)
    return size


@torch.no_grad()
def _try(backbone: Backbone, size: int) -> None:
    """See whether a network of timm takes images of another size than its own."""
    training = backbone.training
    try:
        backbone.eval()(torch.zeros(1, backbone.spec.channels, size, size))
    except Exception as error:  # timm's networks refuse in many ways
        raise UsageError(
            f"the backbone {backbone.spec.name} takes no crops of {size} pixels",
            hint="set objective.crops.local_count=0, or choose a vision transformer or a convnet",
        ) from error
    finally:
        backbone.train(training)
