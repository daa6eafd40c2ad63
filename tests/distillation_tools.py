"""Tiny DINO and DINOv2 for the tests: 32 pixels, 16 patches, small crops of 16 pixels."""

from __future__ import annotations

from typing import Any

import torch

from medfm_cli.commands.pretrain.objectives import DinoOptions, Dinov2Options
from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
from medfm_cli.commands.pretrain.objectives.dino import Dino
from medfm_cli.commands.pretrain.objectives.dinov2 import Dinov2
from medfm_cli.data.batch import Batch
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.training.augmentations import ImageViews
from medfm_cli.training.randomness import StepRandom

HEAD = {"hidden": 32, "bottleneck": 16, "prototypes": 24}


def objective_context(**values: Any) -> ObjectiveContext:
    plain: dict[str, Any] = {
        "preprocessing": Preprocessing(size=32, channels=1),
        "views": ImageViews(),
        "steps": 10,
        "epoch_steps": 2,
        "batch": 8,
    }
    return ObjectiveContext(**(plain | values))


def backbone(name: str = "vit_xxs", **values: Any) -> Any:
    return build_backbone(BackboneSpec(name=name, image_size=32, **values), seed=0)


def dino(name: str = "vit_xxs", context: ObjectiveContext | None = None, **options: Any) -> Dino:
    torch.manual_seed(0)
    keys: dict[str, Any] = {"head": HEAD, "crops": {"local_count": 3}}
    return Dino(
        backbone(name), DinoOptions.model_validate(keys | options), context or objective_context()
    )


def dinov2(
    name: str = "vit_xxs", context: ObjectiveContext | None = None, **options: Any
) -> Dinov2:
    torch.manual_seed(0)
    keys: dict[str, Any] = {"head": HEAD, "crops": {"local_count": 3}}
    return Dinov2(
        backbone(name), Dinov2Options.model_validate(keys | options), context or objective_context()
    )


def batch_of(count: int) -> Batch:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (count, 1, 32, 32), generator=generator, dtype=torch.uint8)
    return Batch(values=images, labels=torch.zeros(count), rows=torch.arange(count))


def random_of(count: int, step: int = 0) -> StepRandom:
    return StepRandom(seed=0, step=step, batch=count, device=torch.device("cpu"))
