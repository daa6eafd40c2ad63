"""SimCLR over volumes, signals, series and sounds: views and encoder are those of the kind."""

from __future__ import annotations

import pytest
import torch

from medfm_cli.commands.pretrain.objectives import SimclrOptions
from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
from medfm_cli.commands.pretrain.objectives.simclr import Simclr
from medfm_cli.data.batch import Batch
from medfm_cli.data.inputs import AudioInput, SeriesInput, SignalInput, VolumeInput
from medfm_cli.data.inputs import PatchInput as Input
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.spec import PatchSpec
from medfm_cli.training.augmentations import (
    AnyViews,
    AudioViews,
    SeriesViews,
    SignalViews,
    VolumeViews,
)
from medfm_cli.training.randomness import StepRandom

KINDS: list[tuple[Input, AnyViews, list[int]]] = [
    (VolumeInput(size=16, depths=[4]), VolumeViews(brightness=0.2), [4, 4, 4]),
    (SignalInput(leads=["I", "II"], rate=100.0, seconds=1.0), SignalViews(noise=0.1), [10]),
    (SeriesInput(variables=["HR"], hours=48, mean=[0.0], std=[1.0]), SeriesViews(jitter=0.1), [4]),
    (AudioInput(rate=4000, seconds=0.4, mels=16, n_fft=256, hop=100), AudioViews(gain=6), [8, 8]),
]


@pytest.mark.parametrize(("fitted", "views", "patch"), KINDS, ids=[k[0].kind for k in KINDS])
def test_two_views_of_every_kind_are_compared(
    fitted: Input, views: AnyViews, patch: list[int]
) -> None:
    channels, *shape = fitted.shape
    spec = PatchSpec(name="vit_xxs", kind=fitted.kind, shape=shape, patch=patch, channels=channels)
    context = ObjectiveContext(preprocessing=fitted, views=views, batch=6)
    task = Simclr(build_backbone(spec, seed=0), SimclrOptions(), context)
    values = torch.rand(6, *fitted.shape, generator=torch.Generator().manual_seed(0))
    batch = Batch(values=values, labels=torch.zeros(6), rows=torch.arange(6))
    random = StepRandom(seed=0, step=0, batch=6, device=torch.device("cpu"))
    inputs = task.inputs(batch, random)
    assert inputs["first"].shape == inputs["second"].shape == values.shape
    assert not torch.allclose(inputs["first"], inputs["second"])
    task(**inputs)["loss"].mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in task.parameters())
