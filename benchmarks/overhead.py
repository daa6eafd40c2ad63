"""What the training loop costs: `fit` beside a bare PyTorch loop.

Run: python benchmarks/overhead.py [--objective mae|dino]

Both train the same task (MAE, or DINO with its teacher and small crops) on the same images in
memory, with the same fused AdamW and the same augmentation. The bare loop has nothing else: no
Accelerate, no checks, no metrics, no checkpoints, no progress. Single steps of the two alternate in
one process, so that whatever else the machine does meets both, and the medians of the steps are
compared: in time on the clock, and in processor time, which is the sounder one where other work
runs beside (with OMP_NUM_THREADS=1; waiting threads count as working). The ten checkpoints that a
run writes by default are measured too and told apart: their share shrinks as runs grow longer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from medfm_cli.commands.pretrain.objectives import DinoOptions, MaeOptions
from medfm_cli.commands.pretrain.objectives.base import Objective, ObjectiveContext
from medfm_cli.commands.pretrain.objectives.dino import Dino
from medfm_cli.commands.pretrain.objectives.mae import Mae
from medfm_cli.commands.pretrain.objectives.options.distillation import Crops
from medfm_cli.console import Silence
from medfm_cli.data.batch import Batch
from medfm_cli.data.preprocess import Preprocessing
from medfm_cli.models.backbones import build_backbone
from medfm_cli.models.spec import BackboneSpec
from medfm_cli.runs import Run
from medfm_cli.training.augmentations import ImageViews
from medfm_cli.training.loop import fit
from medfm_cli.training.optimisers import build_optimiser
from medfm_cli.training.options import FitOptions
from medfm_cli.training.randomness import StepRandom
from medfm_cli.training.session import open_session

SEED = 0


class BareLoop:
    """Training as one would write it by hand."""

    def __init__(self, task: Objective, options: FitOptions) -> None:
        self.task = task.train()
        self.options = options
        self.optimiser = build_optimiser(task, options)
        self.step = 0

    def train(self, batch: Batch) -> None:
        """Take a step."""
        random = StepRandom(
            seed=SEED, step=self.step, batch=self.options.batch, device=torch.device("cpu")
        )
        with torch.no_grad():
            inputs = self.task.inputs(batch, random)
        self.optimiser.zero_grad()
        loss = self.task(**inputs)["loss"].mean()
        loss.backward()
        self.task.before_step(self.step)
        self.optimiser.step()
        self.task.after_step(self.step)
        self.step += 1


class Alternating:
    """Feeds `fit` from memory; after each of its steps it runs a step of the bare loop."""

    def __init__(self, bare: BareLoop, images: torch.Tensor) -> None:
        self.bare = bare
        self.images = images
        self.steps_per_epoch = len(images) // bare.options.batch
        self.clock: dict[str, list[float]] = {"fit": [], "bare": []}
        self.processor: dict[str, list[float]] = {"fit": [], "bare": []}

    def steps(self, start: int, stop: int) -> Iterator[Batch]:
        """Give the batches of some steps, and use the pauses."""
        for step in range(start, stop):
            with self._timed("fit"):
                yield self._batch(step)
            torch.use_deterministic_algorithms(False)
            with self._timed("bare"):
                self.bare.train(self._batch(step))
            torch.use_deterministic_algorithms(True)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        clock, processor = time.perf_counter(), time.process_time()
        yield
        self.clock[name].append(time.perf_counter() - clock)
        self.processor[name].append(time.process_time() - processor)

    def _batch(self, step: int) -> Batch:
        first = step % self.steps_per_epoch * self.bare.options.batch
        rows = torch.arange(first, first + self.bare.options.batch)
        return Batch(values=self.images[rows], labels=rows, rows=rows)


def new_task(arguments: argparse.Namespace) -> Objective:
    """Build the task, the same each time."""
    torch.manual_seed(SEED)
    spec = BackboneSpec(
        name=arguments.model, image_size=arguments.size, patch_size=arguments.patch, channels=1
    )
    preprocessing = Preprocessing(size=arguments.size, channels=1)
    views = ImageViews()
    context = ObjectiveContext(
        preprocessing=preprocessing, views=views, steps=arguments.steps, batch=arguments.batch
    )
    if arguments.objective == "dino":
        options = DinoOptions(crops=Crops(local_count=4))
        return Dino(build_backbone(spec), options, context)
    return Mae(build_backbone(spec), MaeOptions(), context)


def measure(arguments: argparse.Namespace) -> dict[str, float | str | int]:
    """Alternate the two loops and compare their medians."""
    every = arguments.steps // 10
    options = FitOptions(
        seed=SEED,
        batch=arguments.batch,
        steps=arguments.steps,
        learning_rate=1e-4,
        checkpoint_steps=every,
    )
    size = arguments.size
    images = torch.randint(0, 256, (8 * arguments.batch, 1, size, size), dtype=torch.uint8)
    loader = Alternating(BareLoop(new_task(arguments), options), images)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(dir=Path(folder), verb="pretrain", name="bench", hash="", console=Silence())
        with open_session(options.precision, run) as session:
            fit(new_task(arguments), loader, options, session=session)  # type: ignore[arg-type]
    fitted, bare = (statistics.median(loader.clock[name]) for name in ("fit", "bare"))
    fitted_cpu, bare_cpu = (statistics.median(loader.processor[name]) for name in ("fit", "bare"))
    checkpoint = statistics.median(loader.clock["fit"][every - 1 :: every]) - fitted
    return {
        "objective": arguments.objective,
        "model": arguments.model,
        "size": size,
        "patch": arguments.patch,
        "batch": arguments.batch,
        "threads": torch.get_num_threads(),
        "steps": arguments.steps,
        "fit_images_per_second": round(arguments.batch / fitted, 1),
        "bare_images_per_second": round(arguments.batch / bare, 1),
        "overhead_percent": round(100 * (fitted / bare - 1), 2),
        "overhead_processor_percent": round(100 * (fitted_cpu / bare_cpu - 1), 2),
        "checkpoint_milliseconds": round(1000 * checkpoint, 1),
        "overhead_with_checkpoints_percent": round(
            100 * ((fitted + checkpoint / every) / bare - 1), 2
        ),
    }


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objective", choices=("mae", "dino"), default="mae")
    parser.add_argument("--model", default="vit_xs")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--patch", type=int, default=8)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=300, help="steps of each loop")
    print(json.dumps(measure(parser.parse_args()), indent=2))


if __name__ == "__main__":
    main()
