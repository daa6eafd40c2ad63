"""What skipping hidden patches saves: MAE beside the same network fed all patches.

Run: python benchmarks/masked.py

Two autoencoders with the same weights take the same images, masks and loss. In one the encoder gets
the visible patches, as in MAE; in the other it gets all of them, and the decoder the visible tokens
of what comes out: the same work apart from what is skipped. Steps of the two (forward, backward,
AdamW) alternate in one process, so that whatever else the machine does meets both, and the medians
are compared: on the clock, and in processor time, which is the sounder one where other work runs
beside (with OMP_NUM_THREADS=1; waiting threads count as working). The encoder alone (forward and
backward) is measured too: the decoder sees every patch in either case.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from medfm_cli.commands.pretrain.objectives import MaeOptions
from medfm_cli.commands.pretrain.objectives.base import ObjectiveContext
from medfm_cli.commands.pretrain.objectives.mae import Mae, PredictedPatches
from medfm_cli.commands.pretrain.objectives.patches import choose_hidden, take
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.training.augmentations import ImageViews

SEED = 0


class AllPatches(Mae):
    """The same autoencoder, whose encoder sees everything."""

    def predict_patches(self, values: Tensor, noise: Tensor) -> PredictedPatches:
        """Encode all patches, decode from the visible ones."""
        split = choose_hidden(noise, self.options.mask_ratio)
        tokens = take(self.backbone.encode(self.backbone.embed(values)), split.visible)
        predicted = self.decoder(tokens, split, self.backbone.grid_of(values))
        return PredictedPatches(split, predicted, self.target(values))


class Clock:
    """Times of one kind of step."""

    def __init__(self) -> None:
        self.clock: list[float] = []
        self.processor: list[float] = []

    def time(self, step: Callable[[], None]) -> None:
        """Take a step and remember how long it took."""
        clock, processor = time.perf_counter(), time.process_time()
        step()
        self.clock.append(time.perf_counter() - clock)
        self.processor.append(time.process_time() - processor)


def new_task(arguments: argparse.Namespace, kind: type[Mae]) -> Mae:
    """Build an autoencoder; both kinds have the same weights."""
    torch.manual_seed(SEED)
    size, patch = arguments.size, arguments.patch
    spec = BackboneSpec(name=arguments.model, image_size=size, patch_size=patch, channels=1)
    context = ObjectiveContext(
        preprocessing=Preprocessing(size=size, channels=1), views=ImageViews()
    )
    return kind(build_backbone(spec, seed=SEED), MaeOptions(mask_ratio=arguments.ratio), context)


def stepper(task: Mae, images: Tensor, noise: Tensor) -> Callable[[], None]:
    """A step of training."""
    optimiser = torch.optim.AdamW(task.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimiser.zero_grad()
        task(values=images, noise=noise)["loss"].mean().backward()
        optimiser.step()

    return step


def encoder_stepper(task: Mae, images: Tensor, noise: Tensor, *, skip: bool) -> Callable[[], None]:
    """Forward and backward through the encoder alone."""
    visible = choose_hidden(noise, task.options.mask_ratio).visible

    def step() -> None:
        task.zero_grad()
        tokens = task.backbone.embed(images)
        task.backbone.encode(take(tokens, visible) if skip else tokens).square().mean().backward()

    return step


def measure(arguments: argparse.Namespace) -> dict[str, float | str | int]:
    """Alternate the steps and compare their medians."""
    images = torch.randn(arguments.batch, 1, arguments.size, arguments.size)
    noise = torch.rand(arguments.batch, (arguments.size // arguments.patch) ** 2)
    steps: dict[str, Callable[[], None]] = {}
    for name, kind in (("visible", Mae), ("all", AllPatches)):
        task = new_task(arguments, kind).train()
        steps[name] = stepper(task, images, noise)
        skip = kind is Mae
        steps[f"encoder_{name}"] = encoder_stepper(task, images, noise, skip=skip)
    clocks = {name: Clock() for name in steps}
    for number in range(arguments.steps + arguments.warmup):
        for name, step in steps.items():
            (Clock() if number < arguments.warmup else clocks[name]).time(step)
    seconds = {name: statistics.median(clock.clock) for name, clock in clocks.items()}
    processor = {name: statistics.median(clock.processor) for name, clock in clocks.items()}
    return {
        "model": arguments.model,
        "size": arguments.size,
        "patch": arguments.patch,
        "batch": arguments.batch,
        "mask_ratio": arguments.ratio,
        "threads": torch.get_num_threads(),
        "steps": arguments.steps,
        "visible_images_per_second": round(arguments.batch / seconds["visible"], 1),
        "all_images_per_second": round(arguments.batch / seconds["all"], 1),
        "step_ratio": round(seconds["all"] / seconds["visible"], 2),
        "step_ratio_processor": round(processor["all"] / processor["visible"], 2),
        "encoder_ratio": round(seconds["encoder_all"] / seconds["encoder_visible"], 2),
        "encoder_ratio_processor": round(
            processor["encoder_all"] / processor["encoder_visible"], 2
        ),
    }


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="vit_xs")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--patch", type=int, default=8)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--ratio", type=float, default=0.75)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40, help="of each kind")
    print(json.dumps(measure(parser.parse_args()), indent=2))


if __name__ == "__main__":
    main()
