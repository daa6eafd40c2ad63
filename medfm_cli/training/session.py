"""Where the work runs: device, precision, processes, and what makes a run repeatable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from medfm_cli.errors import ContactLost, EnvironmentProblem
from medfm_cli.processes.launch import follow_parent
from medfm_cli.processes.rendezvous import open_group
from medfm_cli.runs.machine import keep_freed_memory, usable_cpus
from medfm_cli.torch_private import forget_accelerator
from medfm_cli.training.sharded import is_sharded

if TYPE_CHECKING:
    from medfm_cli.recipe import Auto
    from medfm_cli.runs import Run
    from medfm_cli.training.options import Precision


_RANKS = (
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "PMI_SIZE",
    "OMPI_COMM_WORLD_SIZE",
    "MV2_COMM_WORLD_SIZE",
)


@dataclass(frozen=True)
class Session:
    """An open accelerator, for any number of trainings of one run, one after another."""

    accelerator: Accelerator
    precision: Precision
    run: Run
    _folders: set[str] = field(default_factory=set)

    @property
    def device(self) -> torch.device:
        """Where tensors belong."""
        device: torch.device = self.accelerator.device
        return device

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        return int(self.accelerator.process_index)

    @property
    def world(self) -> int:
        """How many processes there are."""
        return int(self.accelerator.num_processes)

    @property
    def scaler(self) -> Any:
        """The fp16 gradient scaler, or None."""
        return self.accelerator.scaler

    def start_training(self, folder: str) -> None:
        """Take the folder of a scope for a training, and forget the last training's fp16 scale.

        Raises:
            ValueError: a training of this session has it: the second would find the checkpoints of
                the first and train nothing.
        """
        if folder in self._folders:
            raise ValueError(
                f"a second training in {folder or 'the same scope'!r}; give it its own"
            )
        self._folders.add(folder)
        if self.scaler is not None:
            self.accelerator.scaler = type(self.scaler)(self.device.type)

    @contextmanager
    def prepared(
        self, task: nn.Module, optimiser: torch.optim.Optimizer
    ) -> Iterator[tuple[nn.Module, Any]]:
        """Give what to call for the forward pass, and what makes the optimiser's step.

        Afterwards `task` is as it was, and the accelerator ready for another training.
        """
        accelerator = self.accelerator
        if is_sharded(task):
            model, stepper = task, accelerator.prepare(optimiser)
        else:
            model, stepper = accelerator.prepare(task, optimiser)
        try:
            yield model, stepper
        finally:
            if not is_sharded(task):
                accelerator.unwrap_model(model, keep_fp32_wrapper=False)
            accelerator.free_memory()

    def mean(self, values: Tensor) -> Tensor:
        """Average over the processes; every process gets the same."""
        if self.world == 1:
            return values
        averaged: Tensor = self.accelerator.reduce(values, reduction="mean")
        return averaged

    def gather(self, values: Tensor) -> Tensor:
        """Join the rows of all processes, in the order of their numbers."""
        gathered: Tensor = self.accelerator.gather(values)
        return gathered

    def without_sync(self, model: nn.Module, *, when: bool) -> AbstractContextManager[Any]:
        """Keep gradients local for parts of a batch before the last."""
        if not when or self.world == 1:
            return nullcontext()
        if is_sharded(model):
            return _unsynced(model)
        quiet: AbstractContextManager[Any] = self.accelerator.no_sync(model)
        return quiet


def own_device(run: Run) -> torch.device:
    """The device on which this process will train: a GPU of its own, or the CPU.

    For measurements before a session is open; Accelerate chooses the same.
    """
    if not _sees_gpu():
        return torch.device("cpu")
    place = int(os.environ.get("LOCAL_RANK", "0")) if run.world > 1 else 0
    return torch.device("cuda", place % torch.cuda.device_count())


def _sees_gpu() -> bool:
    # `accelerate launch --cpu` sets a variable; the recipe has no key for it.
    return torch.cuda.is_available() and os.environ.get("ACCELERATE_USE_CPU", "").lower() != "true"


@contextmanager
def _unsynced(model: Any) -> Iterator[None]:
    model.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        model.set_requires_gradient_sync(True)


@contextmanager
def open_session(precision: Precision | Auto, run: Run) -> Iterator[Session]:
    """Open the accelerator for the trainings of a run; sessions may follow one another.

    On the CPU algorithms are deterministic and the number of threads fixed, so that equal runs
    end with equal bits.

    Raises:
        EnvironmentProblem: the precision is not to be had on this machine.
        ContactLost: another process of this run went away.
    """
    follow_parent()
    gpu = _sees_gpu()
    chosen = _choose_precision(precision, run, gpu=gpu)
    before = torch.are_deterministic_algorithms_enabled()
    threads = torch.get_num_threads()
    try:
        torch.use_deterministic_algorithms(not gpu)
        # The default also fills every fresh tensor, which costs time and decides nothing here.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        torch.set_num_threads(_choose_threads(run, world=max(1, run.world)))
        if not gpu:
            keep_freed_memory()
        with _lost_processes(run):
            if run.world > 1:
                open_group(rank=run.rank, world=run.world, gpu=gpu)
            with _recipe_alone_decides(run):
                accelerator = _open_accelerator(chosen, gpu=gpu)
            yield Session(accelerator, chosen, run)
    finally:
        torch.use_deterministic_algorithms(before)
        torch.set_num_threads(threads)
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        forget_accelerator()


@contextmanager
def _recipe_alone_decides(run: Run) -> Iterator[None]:
    """Hide what would have Accelerate do otherwise than the recipe says.

    Its own launcher sets FSDP, DeepSpeed, compilation and precision in variables; and a run of
    one process within a launched command is alone.
    """
    hidden = [name for name in os.environ if name.startswith("ACCELERATE_")]
    if run.world == 1:
        hidden += [name for name in _RANKS if name in os.environ]
    values = {name: os.environ.pop(name) for name in hidden}
    try:
        yield
    finally:
        os.environ.update(values)


def _open_accelerator(precision: Precision, *, gpu: bool) -> Accelerator:
    forget_accelerator()
    if gpu:
        torch.set_float32_matmul_precision("high")
    mixed = "no" if precision == "fp32" else precision
    return Accelerator(cpu=not gpu, mixed_precision=mixed)


def _choose_precision(requested: Precision | Auto, run: Run, *, gpu: bool) -> Precision:
    if requested == "auto":
        if gpu and torch.cuda.is_bf16_supported():
            run.resolve("precision", "bf16", "the GPU computes in bf16")
            return "bf16"
        run.resolve("precision", "fp32", "no GPU with bf16")
        return "fp32"
    if requested == "fp16" and not gpu:
        raise EnvironmentProblem(
            "precision fp16 needs a GPU, and torch sees none",
            hint="set precision to bf16, fp32 or auto",
        )
    return requested


def _choose_threads(run: Run, *, world: int) -> int:
    """Give each process its share of the cores, unless OMP_NUM_THREADS says otherwise."""
    if os.environ.get("OMP_NUM_THREADS"):
        return torch.get_num_threads()
    here = int(os.environ.get("LOCAL_WORLD_SIZE", world)) if world > 1 else 1
    threads = max(1, usable_cpus() // here)
    run.resolve("threads", threads, f"the cores of this machine over {here} processes")
    return threads


@contextmanager
def _lost_processes(run: Run) -> Iterator[None]:
    """Report in one sentence that another process ended; gloo needs ten."""
    try:
        yield
    except RuntimeError as error:
        messages = ("Connection closed by peer", "Connection reset by peer", "Broken pipe")
        lost = any(text in str(error) for text in messages)
        if run.world > 1 and (lost or isinstance(error, torch.distributed.DistError)):
            raise ContactLost(
                f"training process {run.rank} of {run.world} lost contact with the others: "
                "one of them ended",
                hint="if it was killed for want of memory, use a smaller batch or fewer processes; "
                "the same command continues from the last checkpoint",
            ) from error
        raise
