"""A small task, data in memory and runs for the tests of the loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from medfm_cli.console import Silence
from medfm_cli.data.batch import Batch
from medfm_cli.data.samplers import BatchPlan
from medfm_cli.runs import Run
from medfm_cli.training.gather import gather_rows
from medfm_cli.training.loop import FitReport, fit
from medfm_cli.training.options import FitOptions
from medfm_cli.training.randomness import StepRandom
from medfm_cli.training.session import open_session
from medfm_cli.training.sharding import full_tensor
from medfm_cli.training.task import Task


class MemoryLoader:
    """What the loop needs of a Loader, over images in memory."""

    def __init__(self, images: Tensor, *, batch: int, rank: int = 0, world: int = 1) -> None:
        self.images = images
        self.plan = BatchPlan(count=len(images), global_batch=batch, seed=1, rank=rank, world=world)
        self.steps_per_epoch = self.plan.steps_per_epoch

    def steps(self, start: int, stop: int) -> Iterator[Batch]:
        for positions in self.plan.steps(start, stop):
            rows = torch.from_numpy(positions)
            yield Batch(values=self.images[rows], labels=rows % 2, rows=rows)


class Painter(Task):
    """Learns to undo noise: uses draws in `inputs`, and dropout inside the model on request."""

    def __init__(self, *, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(64, 32)
        self.norm = nn.LayerNorm(32)
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(32, 64)

    def inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        clean = batch.values.flatten(1).float() / 255
        return {"noisy": clean + 0.1 * random.normal("noise", 64), "clean": clean}

    def forward(self, noisy: Tensor, clean: Tensor) -> dict[str, Tensor]:
        hidden = self.dropout(self.norm(self.first(noisy)).relu())
        return {"loss": (self.last(hidden) - clean).square().mean()}


class Counted(Painter):
    """Every sample counts by its row, as if by its number of tokens; every fifth has none."""

    def __init__(self, *, ones: bool = False) -> None:
        super().__init__()
        self.ones = ones
        self.gradients: dict[str, Tensor] = {}

    def inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        return {**super().inputs(batch, random), "rows": batch.rows}

    def forward(self, noisy: Tensor, clean: Tensor, rows: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        loss = (self.last(self.norm(self.first(noisy)).relu()) - clean).square().mean(dim=1)
        weights = torch.ones_like(loss) if self.ones else rows % 5
        return {"loss": loss, "weights": weights, "row": rows.float(), "one": loss.new_ones(())}

    def before_step(self, step: int) -> None:
        if step == 0:
            gradients = {n: full_tensor(p.grad) for n, p in self.named_parameters()}  # type: ignore[arg-type]
            self.gradients = {name: value.clone() for name, value in gradients.items()}


class Comparer(Task):
    """Tells the samples of a batch apart by noisy copies: its loss needs the whole batch."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Linear(64, 32, bias=False)  # BatchNorm takes a bias away
        self.head = nn.Sequential(nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 8))
        self.gradients: dict[str, Tensor] = {}

    def inputs(self, batch: Batch, random: StepRandom) -> dict[str, Tensor]:
        clean = batch.values.flatten(1).float() / 255
        return {"clean": clean, "noisy": clean + 0.1 * random.normal("noise", 64)}

    def forward(self, clean: Tensor, noisy: Tensor) -> dict[str, Tensor]:
        first, second = (self.head(gather_rows(self.encoder(x))) for x in (clean, noisy))
        right = torch.arange(len(first), device=first.device)
        return {"loss": functional.cross_entropy(first @ second.T, right)}

    def before_step(self, step: int) -> None:
        if step == 0:
            self.gradients = {n: p.grad.clone() for n, p in self.named_parameters()}


def fit_once(task: Task, loader: Any, options: FitOptions, run: Run, **more: Any) -> FitReport:
    """A training in a session of its own."""
    with open_session(options.precision, run) as session:
        return fit(task, loader, options, session=session, **more)


def images(count: int = 40) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (count, 1, 8, 8), generator=generator, dtype=torch.uint8)


def new_run(folder: Path, **values: Any) -> Run:
    folder.mkdir(parents=True, exist_ok=True)
    return Run(dir=folder, verb="pretrain", name="t", hash="0", console=Silence(), **values)


def options(**values: Any) -> FitOptions:
    plain: dict[str, Any] = {
        "seed": 7,
        "batch": 8,
        "steps": 12,
        "learning_rate": 1e-2,
        "warmup_steps": 2,
        "checkpoint_steps": 5,
    }
    return FitOptions(**(plain | values))
