"""The switches do what they say, and change the losses by rounding only."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from training_tools import MemoryLoader, Painter, fit_once, images, new_run, options

from medfm_cli.data.batch import Batch
from medfm_cli.errors import EnvironmentProblem, UsageError
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.runs.run import read_jsonl
from medfm_cli.training.randomness import StepRandom
from medfm_cli.training.task import Task

VIT = BackboneSpec(name="vit_xxs", image_size=16, channels=1, patch_size=8)
CONVNET = BackboneSpec(name="test_resnet", image_size=16, channels=1)


class Namer(Task):
    """Learns the label of an image from the features of a backbone."""

    def __init__(self, spec: BackboneSpec) -> None:
        super().__init__()
        self.backbone = build_backbone(spec, seed=1)
        torch.manual_seed(1)
        self.head = nn.Linear(self.backbone.dim, 1)

    def inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        pixels = batch.values.float().repeat_interleave(2, 2).repeat_interleave(2, 3) / 255
        noise = random.normal("noise", 1, 16, 16)
        return {"pixels": pixels + 0.1 * noise, "labels": batch.labels.float()}

    def forward(self, pixels: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return {"loss": (self.head(self.backbone(pixels)).squeeze(1) - labels).square().mean()}


def losses(folder: Path, task: Task, **values: Any) -> list[float]:
    loader: Any = MemoryLoader(images(), batch=8)
    fit_once(task, loader, options(steps=4, **values), new_run(folder))
    return [record["loss"] for record in read_jsonl(folder / "metrics.jsonl")]


def moments(folder: Path) -> dict[str, Tensor]:
    """The optimiser's state after the first step: a tenth of the gradients, and their squares."""
    return load_file(folder / "checkpoints" / "step-00000001" / "optimiser.safetensors")


@pytest.mark.parametrize("spec", [VIT, CONVNET], ids=["vit", "convnet"])
def test_gradient_checkpointing_computes_twice_and_learns_the_same(
    tmp_path: Path, spec: BackboneSpec
) -> None:
    calls: Counter[str] = Counter()

    def counted(name: str) -> Namer:
        task = Namer(spec)
        part = next(
            m for n, m in task.backbone.net.named_modules() if n in ("blocks.0", "layer1.0")
        )
        part.register_forward_pre_hook(lambda *_: calls.update([name]))
        return task

    expected = losses(tmp_path / "plain", counted("plain"))
    found = losses(tmp_path / "twice", counted("twice"), gradient_checkpointing=True)
    assert found == pytest.approx(expected, abs=1e-6)
    assert calls == {"plain": 4, "twice": 8}


def test_channels_last_reaches_weights_and_maps_and_learns_the_same(tmp_path: Path) -> None:
    plain, changed = Namer(CONVNET), Namer(CONVNET)
    for task in (plain, changed):
        for parameter in task.backbone.parameters():
            parameter.requires_grad_(parameter.ndim > 1)  # biases: gradients of rounding only
    seen: set[bool] = set()
    layer = next(m for m in changed.modules() if isinstance(m, nn.Conv2d) and m.in_channels > 1)
    layer.register_forward_pre_hook(
        lambda _, given: seen.add(given[0].is_contiguous(memory_format=torch.channels_last))
    )
    expected = losses(tmp_path / "plain", plain, checkpoint_steps=1, keep_checkpoints=9)
    found = losses(
        tmp_path / "last", changed, channels_last=True, checkpoint_steps=1, keep_checkpoints=9
    )
    # Adam makes whole steps of gradients that are nothing but rounding (a bias before a norm), so
    # later losses part; the first two, and all moments after the first step, are the same.
    assert found[:2] == pytest.approx(expected[:2], abs=1e-5)
    assert all(
        torch.allclose(value, moments(tmp_path / "last")[name], atol=1e-5)
        for name, value in moments(tmp_path / "plain").items()
    )
    assert layer.weight.is_contiguous(memory_format=torch.channels_last)
    assert seen == {True}


def test_channels_last_resumes_with_the_same_bits(tmp_path: Path) -> None:
    """Moments come back in the layout of their weights: fused AdamW reads them side by side."""
    whole, halved = Namer(CONVNET), Namer(CONVNET)
    losses(tmp_path / "whole", whole, channels_last=True, checkpoint_steps=2)
    losses(tmp_path / "halved", Namer(CONVNET), channels_last=True, checkpoint_steps=2)
    last = tmp_path / "halved" / "checkpoints" / "step-00000004" / "complete.json"
    last.unlink()
    losses(tmp_path / "halved", halved, channels_last=True, checkpoint_steps=2)
    assert all(torch.equal(v, halved.state_dict()[k]) for k, v in whole.state_dict().items())


@pytest.mark.parametrize("key", ["channels_last", "gradient_checkpointing"])
def test_a_network_that_a_switch_cannot_change_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(UsageError) as error:
        losses(tmp_path, Painter(), **{key: True})
    assert error.value.hint == f"set {key}=false"


@pytest.mark.slow
def test_compiled_it_learns_the_same_and_is_itself_again_afterwards(tmp_path: Path) -> None:
    from torch._dynamo.utils import counters

    counters.clear()
    expected = losses(tmp_path / "plain", Painter())
    assert not counters["stats"]
    task = Painter()
    try:
        found = losses(tmp_path / "compiled", task, compile=True)
    except EnvironmentProblem as problem:  # a machine without a C++ compiler
        pytest.skip(problem.message)
    assert found == pytest.approx(expected, abs=1e-5)
    assert counters["stats"]["unique_graphs"] >= 1
    assert task._compiled_call_impl is None
    speeds = [r["samples_per_second"] for r in read_jsonl(tmp_path / "compiled" / "metrics.jsonl")]
    assert speeds[0] is None, "the step that compiled is in no speed"
    assert all(speed > 0 for speed in speeds[1:])


def test_compile_without_a_compiler_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(EnvironmentProblem, match="C\\+\\+ compiler"):
        losses(tmp_path, Painter(), compile=True)
