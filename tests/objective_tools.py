"""Small encoders, settings, batches and trainings for the tests of objectives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from training_tools import MemoryLoader, fit_once, new_run, options

from medfm_cli.commands.pretrain.objectives import OBJECTIVES
from medfm_cli.commands.pretrain.objectives.base import Objective, ObjectiveContext
from medfm_cli.data.batch import Batch
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.training.augmentations import ImageViews
from medfm_cli.training.randomness import StepRandom

SIDE = 32
VIEWS = ImageViews(crop=[0.6, 1.0], brightness=0.1, contrast=0.1)


def build(
    name: str, *, backbone: str = "vit_xxs", context: Any = None, **options: Any
) -> Objective:
    """An objective around a small image encoder; `context`: further values of its context."""
    chosen = OBJECTIVES.options(name)(**options)
    full_context = ObjectiveContext(
        preprocessing=Preprocessing(size=SIDE), views=VIEWS, **({"batch": 8} | (context or {}))
    )
    spec = BackboneSpec(name=backbone, image_size=SIDE)
    implementation = OBJECTIVES.load(chosen)
    implementation.check(chosen, full_context)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        task: Objective = implementation(build_backbone(spec, seed=0), chosen, full_context)
    return task


def pictures(count: int, *, seed: int = 1) -> Tensor:
    """Soft blobs, another for each sample: uint8 [count,1,S,S]."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(count, 1, 5, 5, generator=generator)
    smooth = torch.nn.functional.interpolate(small, SIDE, mode="bicubic").clamp(0, 1)
    return (255 * smooth).to(torch.uint8)


def batch_of(count: int, *, seed: int = 1) -> Batch:
    return Batch(
        values=pictures(count, seed=seed), labels=torch.zeros(count), rows=torch.arange(count)
    )


def random_of(count: int, step: int = 0) -> StepRandom:
    return StepRandom(seed=0, step=step, batch=count, device=torch.device("cpu"))


def train(folder: Path, chosen: dict[str, Any], *, rank: int, world: int) -> dict[str, Tensor]:
    """Train for 5 steps of 8 samples, logged to `folder`; give the gradients of the first step."""
    subjects = [row // 3 for row in range(40)]
    texts = [f"This is picture {row % 7}.\nIt has {row % 3} blobs." for row in range(40)]
    task = build(**chosen, context={"steps": 5, "subjects": subjects, "texts": texts})
    gradients = keep_gradients(task)
    loader = MemoryLoader(pictures(40), batch=8, rank=rank, world=world)
    run = new_run(folder, rank=rank, world=world)
    fit_once(task, loader, options(steps=5, learning_rate=1e-4), run)
    return gradients


def keep_gradients(task: Objective) -> dict[str, Tensor]:
    """Give a dict that will hold the averaged gradients of the first step."""
    kept: dict[str, Tensor] = {}
    before_step = task.before_step

    def keep(step: int) -> None:
        if step == 0:
            trained = {n: p.grad for n, p in task.named_parameters() if p.grad is not None}
            kept.update({name: gradient.clone() for name, gradient in trained.items()})
        before_step(step)

    task.before_step = keep  # type: ignore[method-assign]
    return kept
